package chaos.process

import java.nio.file.Path
import kotlin.io.path.createParentDirectories
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * A JVM of this class path that can be killed, stopped and woken. What it prints goes to [output]. It does not outlive
 * this JVM.
 */
class Child(
    mainClass: String,
    arguments: List<String>,
    val output: Path,
    jvm: List<String> = emptyList(),
    clock: WrongClock? = null,
) : AutoCloseable {
    private val process: Process =
        ProcessBuilder(
            buildList {
                addAll(clock?.prefix.orEmpty())
                add("${System.getProperty("java.home")}/bin/java")
                addAll(SMALL)
                addAll(clock?.options.orEmpty())
                addAll(jvm)
                add("-cp")
                add(System.getProperty("java.class.path"))
                add(mainClass)
                addAll(arguments)
            },
        ).redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(output.createParentDirectories().toFile()))
            .start()

    private val end = Thread { process.destroyForcibly() }.also(Runtime.getRuntime()::addShutdownHook)

    val pid: Long get() = process.pid()

    val isAlive: Boolean get() = process.isAlive

    /** Null while it runs; 137 after SIGKILL, 143 after SIGTERM. */
    val exitCode: Int? get() = if (process.isAlive) null else process.exitValue()

    /** SIGKILL: nothing of it runs any more. */
    fun kill() {
        process.destroyForcibly().waitFor()
    }

    /** SIGTERM: it drains and ends by itself; see [awaitExit]. */
    fun terminate() {
        process.destroy()
    }

    /** SIGSTOP: it stands still, with its connections open. False when it had ended already. */
    fun pause(): Boolean = isAlive && signal(pid, Signal.STOP)

    /** SIGCONT: it goes on as if no time had passed. */
    fun wake(): Boolean = isAlive && signal(pid, Signal.CONT)

    /** The exit code, or null when it still runs after [timeout]. */
    fun awaitExit(timeout: Duration = 60.seconds): Int? = if (process.waitFor(timeout)) process.exitValue() else null

    override fun close() {
        kill()
        try {
            Runtime.getRuntime().removeShutdownHook(end)
        } catch (_: IllegalStateException) {
            // This JVM is ending.
        }
    }

    private companion object {
        /** Many of them share two processors, and live for seconds. */
        val SMALL =
            listOf(
                "-Xmx96m",
                "-Xss512k",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData",
                "-XX:+ExitOnOutOfMemoryError",
                "-Xshare:auto",
            )
    }
}
