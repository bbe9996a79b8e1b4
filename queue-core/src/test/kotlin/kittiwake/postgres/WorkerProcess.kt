package kittiwake.postgres

import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import io.kotest.assertions.withClue
import io.kotest.matchers.nulls.shouldNotBeNull
import kittiwake.event.JobObserver
import kittiwake.job.fixed
import kittiwake.job.job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.serialization.Serializable
import java.io.IOException
import java.util.concurrent.TimeUnit
import kotlin.concurrent.thread
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** What a job of [scripted] does. */
@Serializable
enum class Script { OK, HANG, HALT, TAKE_A_MOMENT, TAKE_A_WHILE, SPIN, PASS_GATE, FAIL_BEHIND_GATE, STARVE }

@Serializable
class ScriptArgs(val script: Script)

/** A job that does what its args say, for tests that need a worker in a process of its own. */
val scripted = job<ScriptArgs>("scripted") { retry = fixed(100.milliseconds) }

/** How a [WorkerProcess] is to work. */
class ProcessSettings(
    val concurrency: Int = 4,
    val lease: Duration = 2.seconds,
    val heartbeatEvery: Duration = lease / 5,
    val grace: Duration = 20.seconds,
    val cancelGrace: Duration = 5.seconds,
) {
    fun toArguments(): List<String> = listOf("$concurrency", "$lease", "$heartbeatEvery", "$grace", "$cancelGrace")

    companion object {
        fun of(arguments: List<String>): ProcessSettings {
            val (lease, heartbeatEvery, grace, cancelGrace) = arguments.drop(1).map(Duration::parse)
            return ProcessSettings(arguments.first().toInt(), lease, heartbeatEvery, grace, cancelGrace)
        }
    }
}

/** A worker in a JVM of its own, which can be killed, stopped and woken. */
class WorkerProcess(
    url: String,
    schema: String,
    settings: ProcessSettings = ProcessSettings(),
    main: String = "kittiwake.postgres.WorkerProcess",
) : AutoCloseable {
    private val process =
        ProcessBuilder(
            listOf(
                "${System.getProperty("java.home")}/bin/java",
                "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-cp", System.getProperty("java.class.path"),
                main, url, schema,
            ) + settings.toArguments(),
        ).redirectErrorStream(true).start()

    private val output = MutableStateFlow<List<String>>(emptyList())

    init {
        thread(isDaemon = true, name = "output of worker process ${process.pid()}") {
            try {
                process.inputStream.bufferedReader().forEachLine { line -> output.update { it + line } }
            } catch (_: IOException) {
                // It was killed in the middle of a line.
            }
        }
    }

    val isAlive: Boolean get() = process.isAlive

    /** Everything it has printed: each event as text, and its log. */
    val lines: List<String> get() = output.value

    /** Waits until it has printed a line that contains [text], as the text of an event. */
    suspend fun awaitLine(text: String, within: Duration = 30.seconds): String =
        withClue({ "\"$text\" is not in the output:\n${lines.joinToString("\n")}" }) {
            fun List<String>.found() = find { text in it }
            withTimeoutOrNull(within) { output.first { it.found() != null }.found() }.shouldNotBeNull()
        }

    /** SIGKILL: nothing of it runs any more. */
    fun kill() {
        process.destroyForcibly().waitFor()
    }

    /** SIGTERM, and the exit code when it has drained. (`Process.destroy()` would close its output as well.) */
    fun terminate(within: Duration = 60.seconds): Int {
        signal("TERM")
        return awaitExit(within)
    }

    fun awaitExit(within: Duration = 60.seconds): Int {
        check(process.waitFor(within.inWholeMilliseconds, TimeUnit.MILLISECONDS)) { "The worker does not end" }
        return process.exitValue()
    }

    /** SIGSTOP: it stands still, and does not know. */
    fun stop(): Unit = signal("STOP")

    /** SIGCONT: it goes on where it stood. */
    fun wake(): Unit = signal("CONT")

    private fun signal(name: String) {
        check(ProcessBuilder("sh", "-c", "kill -$name ${process.pid()}").start().waitFor() == 0) { "kill -$name" }
    }

    override fun close() {
        process.destroyForcibly()
    }

    companion object {
        @JvmStatic
        fun main(args: Array<String>) {
            val (url, schema) = args
            val settings = ProcessSettings.of(args.drop(2))
            val pool = HikariDataSource(
                HikariConfig().apply {
                    jdbcUrl = url
                    maximumPoolSize = POOL_SIZE
                },
            )
            val actor = ScriptActor(Gate(url, schema), pool)
            val kittiwake = Kittiwake.connect(pool) { this.schema = schema }
            kittiwake
                .worker {
                    queue("scripted") { concurrency = settings.concurrency }
                    handle(scripted) { args -> with(actor) { perform(args.script) } }
                    lease = settings.lease
                    heartbeatEvery = settings.heartbeatEvery
                    rescueEvery = 300.milliseconds
                    shutdownGrace = settings.grace
                    cancelGrace = settings.cancelGrace
                    observe(JobObserver(::println))
                }.runUntilShutdown()
        }

        private const val POOL_SIZE = 5
    }
}
