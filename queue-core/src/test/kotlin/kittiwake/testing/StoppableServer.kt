package kittiwake.testing

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import java.lang.ProcessBuilder.Redirect.DISCARD
import java.util.concurrent.TimeUnit
import javax.sql.DataSource

/** A PostgreSQL server of a spec's own, which can be stopped as by a crash and started again where it was. */
class StoppableServer : AutoCloseable {
    private val server: EmbeddedPostgres =
        EmbeddedPostgres
            .builder()
            .setServerConfig("fsync", "on")
            .setServerConfig("synchronous_commit", "on")
            .start()

    val dataSource: DataSource = server.postgresDatabase
    private val binaries = query("select setting from pg_config where name = 'BINDIR'")
    private val data = query("show data_directory")

    /** At once and without a checkpoint, as in a crash: every connection breaks. */
    fun stop(): Unit = control("stop", "-m", "immediate")

    /** With the settings that it had: the server recovers, and accepts connections when this returns. */
    fun start(): Unit = control("restart")

    /** The first column of the only row of [sql]. */
    fun query(sql: String): String = dataSource.connection.use { connection ->
        connection.createStatement().use { statement ->
            statement.executeQuery(sql).use { rows -> rows.apply { next() }.getString(1) }
        }
    }

    /** PostgreSQL does not run as root: there it is told that we are nobody, as the embedded server does too. */
    private fun control(vararg command: String) {
        val nobody = if (System.getProperty("user.name") == "root") listOf("unshare", "-U") else emptyList()
        val whole = nobody + listOf("$binaries/pg_ctl", "-D", data, "-w") + command
        val process = ProcessBuilder(whole).redirectErrorStream(true).redirectOutput(DISCARD).start()
        check(process.waitFor(60, TimeUnit.SECONDS) && process.exitValue() == 0) { "Failed: $whole" }
    }

    override fun close(): Unit = server.close()
}
