package kittiwake.testing

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import kittiwake.postgres.Kittiwake
import kittiwake.postgres.KittiwakeBuilder
import org.postgresql.ds.PGSimpleDataSource
import org.testcontainers.postgresql.PostgreSQLContainer
import org.testcontainers.utility.DockerImageName
import java.sql.Connection
import java.util.concurrent.atomic.AtomicInteger
import javax.sql.DataSource

/**
 * The one database of a test JVM: the server at `KITTIWAKE_TEST_JDBC_URL`; else a container when
 * `KITTIWAKE_TEST_CONTAINERS` is true; else the embedded server, which needs nothing installed. Every spec takes a
 * schema of its own.
 */
object TestDatabase {
    private val schemas = AtomicInteger()

    val url: String by lazy {
        System.getenv("KITTIWAKE_TEST_JDBC_URL")
            ?: if (System.getenv("KITTIWAKE_TEST_CONTAINERS") == "true") container() else embedded()
    }

    val dataSource: DataSource by lazy { dataSource { } }

    /** The database, reached in a way of one's own. */
    fun dataSource(configure: PGSimpleDataSource.() -> Unit): DataSource =
        PGSimpleDataSource().also { it.setURL(url) }.apply(configure)

    /** A queue in a schema that nobody else uses. */
    fun kittiwake(users: DataSource = dataSource, configure: KittiwakeBuilder.() -> Unit = {}): Kittiwake = Kittiwake
        .connect(users) {
            schema = freshSchema()
            configure()
        }.also { it.migrate() }

    fun freshSchema(): String = "test_${ProcessHandle.current().pid()}_${schemas.incrementAndGet()}"

    inline fun <T> connect(block: (Connection) -> T): T = dataSource.connection.use(block)

    /** Commits nothing by itself. */
    inline fun <T> inTransaction(block: (Connection) -> T): T = connect {
        it.autoCommit = false
        block(it)
    }

    /** How many rows [table] of this queue has. */
    fun count(kittiwake: Kittiwake, table: String): Long =
        query("select count(*) from ${kittiwake.schema}.$table").single().toLong()

    /** The first column of what [sql] finds, as text. */
    fun query(sql: String): List<String> = connect { connection ->
        connection.createStatement().use { statement ->
            statement.executeQuery(sql).use { rows -> buildList { while (rows.next()) add(rows.getString(1)) } }
        }
    }

    fun execute(sql: String) {
        connect { connection -> connection.createStatement().use { it.execute(sql) } }
    }

    /** Who waits for a lock for ever fails there, instead of the whole run. */
    private fun embedded(): String = EmbeddedPostgres
        .builder()
        .setServerConfig("fsync", "on")
        .setServerConfig("synchronous_commit", "on")
        .setServerConfig("shared_buffers", "128MB")
        .setServerConfig("max_prepared_transactions", "8")
        .setServerConfig("lock_timeout", "60s")
        .start()
        .getJdbcUrl("postgres", "postgres")

    private fun container(): String {
        val image = DockerImageName
            .parse(System.getenv("KITTIWAKE_TEST_IMAGE") ?: "postgres:18-alpine")
            .asCompatibleSubstituteFor("postgres")
        val container = PostgreSQLContainer(image).also { it.start() }
        return "${container.jdbcUrl}&user=${container.username}&password=${container.password}"
    }
}
