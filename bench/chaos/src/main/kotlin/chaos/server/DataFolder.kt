package chaos.server

import chaos.process.isRoot
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import java.net.BindException
import java.net.InetAddress
import java.net.ServerSocket
import java.nio.file.Files
import java.nio.file.Path
import java.util.logging.Level
import java.util.logging.Logger
import kotlin.io.path.Path
import kotlin.io.path.appendText
import kotlin.io.path.readLines
import kotlin.random.Random

/**
 * A data directory, and the program that serves it. The embedded server unpacks and initializes both, is asked where
 * the program lies, and is then stopped: from here on the postmaster is a process of ours, which may crash.
 */
internal class DataFolder private constructor(val data: Path, private val program: String, val port: Int) {
    /** PostgreSQL refuses to run as root, but not as root of nothing: in a user namespace that maps nobody. */
    val command: List<String> =
        (if (isRoot) listOf("unshare", "-U") else emptyList()) + listOf(program, "-D", data.toString())

    fun delete() {
        data.toFile().deleteRecursively()
    }

    companion object {
        /** What it tells of every line of every program is of no interest; its warnings are. */
        private val embedded = Logger.getLogger("io.zonky").also { it.level = Level.WARNING }

        fun initialize(settings: Map<String, String>, log: Path): DataFolder {
            val data = Files.createTempDirectory("kittiwake-chaos-")
            val output = ProcessBuilder.Redirect.appendTo(log.toFile())
            embedded.fine { "Initializing $data" }
            val port = freePort()
            EmbeddedPostgres
                .builder()
                .setDataDirectory(data)
                .setCleanDataDirectory(false)
                .setRegisterShutdownHook(false)
                .setPort(port)
                .setServerConfig("unix_socket_directories", "")
                .setOutputRedirector(output)
                .setErrorRedirector(output)
                .start()
                .use {
                    val pid = data.resolve("postmaster.pid").readLines().first().toLong()
                    val program = ProcessHandle.of(pid).flatMap { process -> process.info().command() }
                    check(program.isPresent) { "The program of the embedded server (process $pid) is not to be found" }
                    val all = mapOf("port" to "$port") + CAREFUL + settings
                    val lines = all.map { (name, value) -> "$name = '$value'\n" }
                    data.resolve("postgresql.conf").appendText(lines.joinToString("", prefix = "\n"))
                    return DataFolder(Path(data.toString()), program.get(), port)
                }
        }

        /** Nothing that was acknowledged may be lost; and all that goes wrong is in the log, with its SQLSTATE. */
        private val CAREFUL =
            mapOf(
                "listen_addresses" to "127.0.0.1",
                "unix_socket_directories" to "",
                "max_connections" to "200",
                "shared_buffers" to "128MB",
                "fsync" to "on",
                "synchronous_commit" to "on",
                "full_page_writes" to "on",
                "log_lock_waits" to "on",
                "log_line_prefix" to "%m [%p] %e %u %a | ",
                "log_checkpoints" to "off",
            )

        /**
         * Below the ports that the system gives to outgoing connections: while the server is down one of those might
         * take its port, or even connect to itself.
         */
        private fun freePort(): Int {
            repeat(ATTEMPTS) {
                val port = Random.nextInt(LOWEST_PORT, HIGHEST_PORT)
                try {
                    ServerSocket(port, 1, InetAddress.getLoopbackAddress()).close()
                    return port
                } catch (_: BindException) {
                    // Somebody has it.
                }
            }
            error("None of $ATTEMPTS ports between $LOWEST_PORT and $HIGHEST_PORT is free")
        }

        private const val ATTEMPTS = 100
        private const val LOWEST_PORT = 20_000
        private const val HIGHEST_PORT = 32_000
    }
}
