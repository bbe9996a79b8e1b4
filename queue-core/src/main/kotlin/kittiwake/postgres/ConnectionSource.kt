package kittiwake.postgres

import com.zaxxer.hikari.HikariDataSource
import org.postgresql.Driver
import org.postgresql.ds.PGSimpleDataSource
import java.sql.Connection
import java.util.concurrent.Executor
import javax.sql.DataSource
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * Where the engine's own connections come from: the server that the user's [DataSource] talks to, but not out of the
 * user's pool, which handlers may empty. A pool other than HikariCP is used as it is, and gives up a few of its
 * connections for good.
 *
 * With [hasSessions] a connection is a session of the server, to be set up once. Without, nothing may be left in it.
 */
internal class ConnectionSource(users: DataSource, private val hasSessions: Boolean = true) {
    /** As the user made it: a migration may take longer than any statement of the engine. */
    val forMigrations: DataSource = unwatched(behindThePool(unwatched(users)))

    val dataSource: DataSource = plain(forMigrations)?.let(::impatient) ?: forMigrations

    private val pool: HikariDataSource? = poolOf(users)

    /** How many connections the user's pool has for handlers, where that can be known. */
    val connectionsForHandlers: Int? = pool?.maximumPoolSize

    /** Whether [source] has its connections from the pool of the user. */
    fun isPooledWith(source: DataSource): Boolean = pool != null && poolOf(source) === pool

    /** As [dataSource], with sockets that make notifications prompt where that can be: with the driver's own. */
    private val prompt: DataSource = plain(dataSource)?.let(::promptly) ?: dataSource

    /** A connection of the engine's own, with its settings, and with an end to every wait for the network. */
    fun open(name: String, networkTimeout: Duration): Connection = dataSource.connection.prepared(name, networkTimeout)

    /** The same for hearing notifications. */
    fun openListener(networkTimeout: Duration): Connection = prompt.connection.prepared("listener", networkTimeout)

    private fun Connection.prepared(name: String, networkTimeout: Duration): Connection = try {
        autoCommit = true
        initial(name)?.let { sql -> createStatement().use { it.execute(sql) } }
        setNetworkTimeout(DIRECTLY, networkTimeout.inWholeMilliseconds.toInt())
        settled(this)
    } catch (e: Throwable) {
        close()
        throw e
    }

    /** What is run first on a new connection called [name]; null for nothing. */
    fun initial(name: String): String? = if (hasSessions) EngineSettings.ofSession(name) else null

    /** [connection], so that statements prepared on it run with the engine's settings. */
    fun settled(connection: Connection): Connection = if (hasSessions) connection else WithoutSession(connection)

    private companion object {
        val DIRECTLY = Executor { it.run() }

        /** Longer than any login takes: a server that lets us connect and then says nothing is away. */
        val LOGIN_TIMEOUT = 5.seconds

        /** No handler is on a connection of the engine. */
        fun unwatched(source: DataSource): DataSource = (source as? WatchedDataSource)?.dataSource ?: source

        /** The driver's own, which may be copied. A subclass may open connections in a way of its own. */
        fun plain(source: DataSource): PGSimpleDataSource? =
            (source as? PGSimpleDataSource)?.takeIf { it.javaClass == PGSimpleDataSource::class.java }

        fun impatient(driver: PGSimpleDataSource): DataSource = copy(driver).also {
            if (it.socketTimeout == 0) it.socketTimeout = LOGIN_TIMEOUT.inWholeSeconds.toInt()
        }

        fun promptly(driver: PGSimpleDataSource): DataSource? {
            if (driver.socketFactory != null) return null
            return copy(driver).also { it.socketFactory = PromptSocketFactory::class.java.name }
        }

        fun copy(driver: PGSimpleDataSource) = PGSimpleDataSource().also { it.initializeFrom(driver) }

        fun poolOf(users: DataSource): HikariDataSource? =
            if (users.isWrapperFor(HikariDataSource::class.java)) users.unwrap(HikariDataSource::class.java) else null

        fun behindThePool(users: DataSource): DataSource {
            val pool = poolOf(users) ?: return users
            pool.dataSource?.let { return it }
            val url = pool.jdbcUrl?.takeIf { it.startsWith("jdbc:postgresql:") } ?: return users
            return PGSimpleDataSource().apply {
                // The driver's own complaint repeats the URL, with the password that may be in it.
                require(Driver.parseURL(url, null) != null) { "The PostgreSQL driver cannot read the pool's jdbcUrl" }
                setURL(url)
                pool.username?.let { user = it }
                pool.password?.let { password = it }
                pool.dataSourceProperties.forEach { (name, value) -> setProperty(name.toString(), value.toString()) }
            }
        }
    }
}
