package chaos.server

import chaos.process.Signal
import chaos.process.signal
import chaos.process.waitFor
import java.nio.file.Path
import java.sql.Connection
import java.sql.DriverManager
import java.sql.SQLException
import kotlin.io.path.createDirectories
import kotlin.io.path.deleteIfExists
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/**
 * A real PostgreSQL that keeps what it acknowledges, and can crash and come back on the same port. Its log is
 * `server.log` in the folder it is started with.
 */
class CrashableServer private constructor(private val folder: DataFolder, val log: ServerLog) : AutoCloseable {
    @Volatile
    private var postmaster: Process? = null
    private val end = Thread { end() }.also(Runtime.getRuntime()::addShutdownHook)

    val port: Int get() = folder.port

    val isUp: Boolean get() = postmaster?.isAlive == true

    /** For the server itself, or for a proxy before it on [port]. */
    fun url(port: Int = this.port, user: String = SUPERUSER): String =
        "jdbc:postgresql://127.0.0.1:$port/postgres?user=$user&sslmode=disable&gssEncMode=disable"

    /** A connection of a superuser, past all proxies, that waits for nothing longer than a few seconds. */
    fun connect(name: String = "chaos"): Connection = DriverManager.getConnection(
        url() + "&ApplicationName=$name&connectTimeout=5&socketTimeout=60&options=-c%20lock_timeout=3s",
    )

    fun execute(sql: String) {
        connect().use { connection -> connection.createStatement().use { it.execute(sql) } }
    }

    /** The first column of the first row, or null. */
    fun ask(sql: String): String? = askAll(sql).firstOrNull()

    /** The first column of all rows. */
    fun askAll(sql: String): List<String?> = connect().use { connection ->
        connection.createStatement().use { statement ->
            statement.executeQuery(sql).use { rows -> buildList { while (rows.next()) add(rows.getString(1)) } }
        }
    }

    /** Every process of the server ends at once, without writing anything more. */
    @Synchronized
    fun crash() {
        stop()
    }

    /** One process of the server is killed; the postmaster ends all others and recovers. False when there was none. */
    fun crashBackend(): Boolean {
        val others = "backend_type = 'client backend' and pid <> pg_backend_pid()"
        val pid = ask("select pid from pg_stat_activity where $others limit 1")
        return pid != null && signal(pid.toLong(), Signal.KILL)
    }

    /** Comes back where it was, and recovers. Nothing happens when it is up. */
    @Synchronized
    fun restart() {
        if (!isUp) {
            postmaster =
                ProcessBuilder(folder.command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(log.file.toFile()))
                    .start()
        }
        awaitAnswer()
    }

    /** Waits until it takes connections. */
    fun awaitAnswer() {
        val since = TimeSource.Monotonic.markNow()
        while (true) {
            try {
                return connect().close()
            } catch (e: SQLException) {
                check(isUp) { "The server does not start; see ${log.file}" }
                if (since.elapsedNow() > LONGEST_START) throw e
                Thread.sleep(PAUSE)
            }
        }
    }

    override fun close() {
        end()
        try {
            Runtime.getRuntime().removeShutdownHook(end)
        } catch (_: IllegalStateException) {
            // This JVM is ending.
        }
    }

    private fun end() {
        stop()
        folder.delete()
    }

    private fun stop() {
        val running = postmaster ?: return
        if (running.isAlive) signal(running.pid(), Signal.QUIT)
        check(running.waitFor(LONGEST_STOP)) { "The server does not stop; see ${log.file}" }
        postmaster = null
    }

    companion object {
        const val SUPERUSER = "postgres"

        /** Starts a new one, with [settings] besides those that make it durable. */
        fun start(results: Path, settings: Map<String, String> = emptyMap()): CrashableServer {
            val log = ServerLog(results.createDirectories().resolve("server.log").also { it.deleteIfExists() })
            return CrashableServer(DataFolder.initialize(settings, log.file), log).also { it.restart() }
        }

        private const val PAUSE = 50L
        private val LONGEST_START = 60.seconds
        private val LONGEST_STOP = 20.seconds
    }
}
