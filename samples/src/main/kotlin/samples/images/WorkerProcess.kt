package samples.images

import java.nio.file.Path
import java.util.concurrent.TimeUnit.SECONDS
import kotlin.io.path.absolutePathString

/** A worker in a JVM of its own, as a deployment would run it. It logs to a file of its own. */
class WorkerProcess(private val name: String, concurrency: Int, jdbcUrl: String, out: OutputFolder) : AutoCloseable {
    private val log: Path = out.log(name)
    private val process: Process =
        ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-classpath", System.getProperty("java.class.path"),
            // It lives for seconds: what the optimizing compiler costs, it would not earn.
            "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.log.kittiwake=info",
            ImageWorker::class.java.name, name, "$concurrency", out.thumbnails.absolutePathString(),
        ).also { it.environment()[JDBC_URL] = jdbcUrl }
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start()

    init {
        Runtime.getRuntime().addShutdownHook(Thread(process::destroy))
    }

    val pid: Long get() = process.pid()

    /** That it runs; if not, where to read why. */
    fun checkAlive() = check(process.isAlive) {
        "Worker $name has ended by itself, with ${process.exitValue()}. Its log is $log"
    }

    /** SIGKILL: it finishes nothing, gives nothing back and says no goodbye. */
    fun kill() {
        process.destroyForcibly().waitFor()
    }

    /** SIGTERM: it claims nothing more, finishes what runs and ends. */
    override fun close() {
        process.destroy()
        if (!process.waitFor(GRACE, SECONDS)) kill()
    }

    private companion object {
        /** Longer than a worker's shutdown grace and cancel grace together. */
        const val GRACE = 30L
    }
}
