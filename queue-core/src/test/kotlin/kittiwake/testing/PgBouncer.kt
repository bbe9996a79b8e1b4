package kittiwake.testing

import org.postgresql.ds.PGSimpleDataSource
import java.net.ServerSocket
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit
import javax.sql.DataSource
import kotlin.io.path.Path
import kotlin.io.path.isExecutable
import kotlin.io.path.writeText

/**
 * PgBouncer in transaction mode before the test database: all its clients share a few sessions of the server, and each
 * transaction may get another one.
 */
class PgBouncer(binary: Path, val sessions: Int = 3) : AutoCloseable {
    private val port = ServerSocket(0).use { it.localPort }
    private val process: Process

    val dataSource: DataSource

    init {
        val server = PGSimpleDataSource().also { it.setURL(TestDatabase.url) }
        val config = Files.createTempFile("pgbouncer", ".ini")
        config.writeText(
            """
            [databases]
            behind = host=${server.serverNames[0]} port=${server.portNumbers[0]} dbname=${server.databaseName} ${login(server)}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = $port
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            default_pool_size = $sessions
            ignore_startup_parameters = extra_float_digits
            """.trimIndent(),
        )
        config.toFile().setReadable(true, false)
        val user = if (isRoot) listOf("-u", "nobody") else emptyList()
        process = ProcessBuilder(listOf("$binary") + user + "$config")
            .redirectErrorStream(true)
            .redirectOutput(config.resolveSibling("${config.fileName}.log").toFile())
            .start()
        dataSource = PGSimpleDataSource().also {
            it.setURL("jdbc:postgresql://127.0.0.1:$port/behind?user=anybody&prepareThreshold=0")
        }
        awaitStart()
    }

    private fun awaitStart() {
        val answers = generateSequence { runCatching { dataSource.connection.close() }.isSuccess }
        check(answers.onEach { if (!it) process.waitFor(100, TimeUnit.MILLISECONDS) }.take(ATTEMPTS).any { it }) {
            "PgBouncer does not answer on port $port"
        }
    }

    private fun login(server: PGSimpleDataSource) =
        listOfNotNull(server.user?.let { "user=$it" }, server.password?.let { "password=$it" }).joinToString(" ")

    override fun close() {
        process.destroyForcibly().waitFor()
    }

    companion object {
        private const val ATTEMPTS = 100
        private const val INSTALL = "apt-get install -y --no-install-recommends pgbouncer"

        private val isRoot = System.getProperty("user.name") == "root"

        /** Where it is; as root on a system with apt it is installed first. Null, and said so, when it cannot be had. */
        val binary: Path? by lazy {
            find() ?: install().let { find() } ?: null.also {
                System.err.println("No PgBouncer here: its spec is SKIPPED. To run it: $INSTALL")
            }
        }

        private fun find(): Path? = (System.getenv("PATH").split(':') + "/usr/sbin")
            .map { Path(it, "pgbouncer") }
            .find { it.isExecutable() }

        private fun install() {
            if (!isRoot || !Path("/usr/bin/apt-get").isExecutable()) return
            System.err.println("Installing PgBouncer for its spec: $INSTALL")
            val apt = ProcessBuilder(INSTALL.split(' ')).redirectErrorStream(true)
            apt.environment()["DEBIAN_FRONTEND"] = "noninteractive"
            val installing = apt.redirectOutput(ProcessBuilder.Redirect.DISCARD).start()
            if (!installing.waitFor(2, TimeUnit.MINUTES)) installing.destroyForcibly()
        }
    }
}
