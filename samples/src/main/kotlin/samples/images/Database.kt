package samples.images

import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import kittiwake.exposed.attach
import kittiwake.postgres.Kittiwake
import org.jetbrains.exposed.v1.core.Schema
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.SchemaUtils
import org.jetbrains.exposed.v1.jdbc.transactions.transaction

/** Where the sample keeps everything it writes: the jobs and its own tables. */
const val SCHEMA = "images_sample"

/** The PostgreSQL server of one run: the one that a URL names, or one of its own that ends with it. */
class Server(jdbcUrl: String?) : AutoCloseable {
    private val embedded = if (jdbcUrl == null) startEmbedded() else null
    val jdbcUrl: String = jdbcUrl ?: embedded!!.getJdbcUrl("postgres", "postgres")

    override fun close() {
        embedded?.close()
    }

    private fun startEmbedded(): EmbeddedPostgres =
        // Made for tests, it would otherwise not care about crashes; this sample is about nothing else.
        EmbeddedPostgres.builder().setServerConfig("fsync", "on").setServerConfig("synchronous_commit", "on").start()
}

/** One process's way to the database: a connection pool, Exposed on it, and Kittiwake beside it. */
class ImageDatabase(jdbcUrl: String, poolSize: Int) : AutoCloseable {
    private val pool = HikariDataSource(
        HikariConfig().also {
            it.jdbcUrl = jdbcUrl
            it.schema = SCHEMA
            it.maximumPoolSize = poolSize
        },
    )
    val db = Database.connect(pool)
    val kittiwake = Kittiwake.connect(pool) { schema = SCHEMA }.also { it.attach(db) }

    /** Makes all tables anew, so that every run tells the same story. */
    fun startAfresh() {
        transaction(db) { SchemaUtils.dropSchema(Schema(SCHEMA), cascade = true) }
        kittiwake.migrate()
        transaction(db) { SchemaUtils.create(Images, Thumbnails) }
    }

    override fun close() {
        kittiwake.close()
        pool.close()
    }
}
