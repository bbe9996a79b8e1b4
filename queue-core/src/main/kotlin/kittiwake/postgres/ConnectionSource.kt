package kittiwake.postgres

import com.zaxxer.hikari.HikariDataSource
import org.postgresql.Driver
import org.postgresql.ds.PGSimpleDataSource
import org.postgresql.ds.common.BaseDataSource
import java.sql.Connection
import java.util.concurrent.Executor
import javax.sql.DataSource
import kotlin.time.Duration

/**
 * Where the engine's own connections come from: the server that the user's [DataSource] talks to, but not out of the
 * user's pool, which handlers may empty. A pool other than HikariCP is used as it is, and gives up a few of its
 * connections for good.
 *
 * With [hasSessions] a connection is a session of the server, to be set up once. Without, nothing may be left in it.
 */
internal class ConnectionSource(users: DataSource, private val hasSessions: Boolean) {
    val dataSource: DataSource = behindThePool(users)

    /** How many connections the user's pool has for handlers, where that can be known. */
    val connectionsForHandlers: Int? =
        if (users.isWrapperFor(HikariDataSource::class.java)) {
            users.unwrap(HikariDataSource::class.java).maximumPoolSize
        } else {
            null
        }

    /** As [dataSource], with sockets that make notifications prompt where that can be: with the driver's own. */
    private val prompt: DataSource = (dataSource as? BaseDataSource)?.let(::promptly) ?: dataSource

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

        fun promptly(driver: BaseDataSource): DataSource? {
            if (driver.socketFactory != null) return null
            return PGSimpleDataSource().also {
                it.initializeFrom(driver)
                it.socketFactory = PromptSocketFactory::class.java.name
            }
        }

        fun behindThePool(users: DataSource): DataSource {
            if (!users.isWrapperFor(HikariDataSource::class.java)) return users
            val pool = users.unwrap(HikariDataSource::class.java)
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
