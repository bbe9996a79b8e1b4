package chaos.process

import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** What a process can be told that the JDK has no word for. */
internal enum class Signal { STOP, CONT, QUIT, KILL, TERM }

/** Sends [signal] to the process [pid]. False when there is no such process any more. */
internal fun signal(pid: Long, signal: Signal): Boolean = command("kill", "-${signal.name}", "$pid") == 0

/** Runs a short program of the system and returns its exit code; 127 when there is no such program. */
internal fun command(vararg line: String): Int {
    val process =
        try {
            ProcessBuilder(*line)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
        } catch (_: java.io.IOException) {
            return NO_SUCH_PROGRAM
        }
    if (!process.waitFor(LONGEST_COMMAND)) {
        process.destroyForcibly()
        error("\"${line.joinToString(" ")}\" has not ended after $LONGEST_COMMAND")
    }
    return process.exitValue()
}

internal fun Process.waitFor(atMost: Duration): Boolean =
    waitFor(atMost.inWholeMilliseconds, java.util.concurrent.TimeUnit.MILLISECONDS)

internal val isRoot: Boolean by lazy { command("sh", "-c", "test \"$(id -u)\" = 0") == 0 }

private const val NO_SUCH_PROGRAM = 127
private val LONGEST_COMMAND = 20.seconds
