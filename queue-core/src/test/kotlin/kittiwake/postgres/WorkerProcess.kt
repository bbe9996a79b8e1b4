package kittiwake.postgres

import kittiwake.job.fixed
import kittiwake.job.job
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.serialization.Serializable
import org.postgresql.ds.PGSimpleDataSource
import java.util.concurrent.TimeUnit
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** What a job of [scripted] does. */
@Serializable
enum class Script { OK, HANG, HALT, TAKE_A_MOMENT, TAKE_A_WHILE }

@Serializable
class ScriptArgs(val script: Script)

/** A job that does what its args say, for tests that need a worker in a process of its own. */
val scripted =
    job<ScriptArgs>("scripted") {
        retry = fixed(100.milliseconds)
        handle { args ->
            when (args.script) {
                Script.OK -> Unit
                Script.HANG -> awaitCancellation()
                Script.HALT -> Runtime.getRuntime().halt(137)
                Script.TAKE_A_MOMENT -> delay(200.milliseconds)
                Script.TAKE_A_WHILE -> delay(1_500.milliseconds)
            }
        }
    }

/** A worker in a JVM of its own, which can be killed. */
class WorkerProcess(url: String, schema: String, grace: Duration = 20.seconds, concurrency: Int = 4) : AutoCloseable {
    private val process =
        ProcessBuilder(
            "${System.getProperty("java.home")}/bin/java",
            "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-cp", System.getProperty("java.class.path"),
            "kittiwake.postgres.WorkerProcess", url, schema, "$grace", "$concurrency",
        ).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start()

    val isAlive: Boolean get() = process.isAlive

    /** SIGKILL: nothing of it runs any more. */
    fun kill() {
        process.destroyForcibly().waitFor()
    }

    /** SIGTERM, and the exit code when it has drained. */
    fun terminate(): Int {
        process.destroy()
        check(process.waitFor(60, TimeUnit.SECONDS)) { "The worker does not end" }
        return process.exitValue()
    }

    fun awaitExit(): Int {
        check(process.waitFor(60, TimeUnit.SECONDS)) { "The worker does not end" }
        return process.exitValue()
    }

    override fun close() {
        process.destroyForcibly()
    }

    companion object {
        @JvmStatic
        fun main(args: Array<String>) {
            val (url, schema, grace, concurrency) = args
            val kittiwake = Kittiwake.connect(PGSimpleDataSource().also { it.setURL(url) }) { this.schema = schema }
            kittiwake
                .worker {
                    queue("scripted") { this.concurrency = concurrency.toInt() }
                    jobs(scripted)
                    lease = 2.seconds
                    heartbeatEvery = 400.milliseconds
                    rescueEvery = 300.milliseconds
                    shutdownGrace = Duration.parse(grace)
                }.runUntilShutdown()
        }
    }
}
