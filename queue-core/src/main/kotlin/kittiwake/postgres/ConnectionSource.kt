package kittiwake.postgres

import com.zaxxer.hikari.HikariDataSource
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
 */
internal class ConnectionSource(users: DataSource) {
    val dataSource: DataSource = behindThePool(users).let { plain(it)?.let(::impatient) ?: it }

    /** How many connections the user's pool has for handlers, where that can be known. */
    val connectionsForHandlers: Int? =
        if (users.isWrapperFor(HikariDataSource::class.java)) {
            users.unwrap(HikariDataSource::class.java).maximumPoolSize
        } else {
            null
        }

    /** As [dataSource], with sockets that make notifications prompt where that can be: with the driver's own. */
    private val prompt: DataSource = plain(dataSource)?.let(::promptly) ?: dataSource

    /** A connection of the engine's own, with its settings, and with an end to every wait for the network. */
    fun open(name: String, networkTimeout: Duration): Connection = dataSource.connection.prepared(name, networkTimeout)

    /** The same for hearing notifications. */
    fun openListener(networkTimeout: Duration): Connection = prompt.connection.prepared("listener", networkTimeout)

    private fun Connection.prepared(name: String, networkTimeout: Duration): Connection = try {
        autoCommit = true
        createStatement().use { it.execute(settings(name)) }
        setNetworkTimeout(DIRECTLY, networkTimeout.inWholeMilliseconds.toInt())
        this
    } catch (e: Throwable) {
        close()
        throw e
    }

    companion object {
        /**
         * Plans must not depend on the statistics of tables that are empty one minute and full the next: hot statements
         * have one good plan, by index, and are kept to it. Timeouts keep every statement far shorter than a lease.
         */
        fun settings(name: String): String =
            """
            set application_name = 'kittiwake $name';
            set session characteristics as transaction isolation level read committed;
            set session characteristics as transaction read write;
            set statement_timeout = '10s';
            set lock_timeout = '5s';
            set idle_in_transaction_session_timeout = '30s';
            set plan_cache_mode = force_generic_plan;
            set enable_seqscan = off;
            set enable_bitmapscan = off;
            set jit = off
            """.trimIndent()

        private val DIRECTLY = Executor { it.run() }

        /** Longer than any login takes: a server that lets us connect and then says nothing is away. */
        private val LOGIN_TIMEOUT = 5.seconds

        /** The driver's own, which may be copied. A subclass may open connections in a way of its own. */
        private fun plain(source: DataSource): PGSimpleDataSource? =
            (source as? PGSimpleDataSource)?.takeIf { it.javaClass == PGSimpleDataSource::class.java }

        private fun impatient(driver: PGSimpleDataSource): DataSource = copy(driver).also {
            if (it.socketTimeout == 0) it.socketTimeout = LOGIN_TIMEOUT.inWholeSeconds.toInt()
        }

        private fun promptly(driver: PGSimpleDataSource): DataSource? {
            if (driver.socketFactory != null) return null
            return copy(driver).also { it.socketFactory = PromptSocketFactory::class.java.name }
        }

        private fun copy(driver: PGSimpleDataSource) = PGSimpleDataSource().also { it.initializeFrom(driver) }

        private fun behindThePool(users: DataSource): DataSource {
            if (!users.isWrapperFor(HikariDataSource::class.java)) return users
            val pool = users.unwrap(HikariDataSource::class.java)
            pool.dataSource?.let { return it }
            val url = pool.jdbcUrl?.takeIf { it.startsWith("jdbc:postgresql:") } ?: return users
            return PGSimpleDataSource().apply {
                setURL(url)
                pool.username?.let { user = it }
                pool.password?.let { password = it }
                pool.dataSourceProperties.forEach { (name, value) -> setProperty(name.toString(), value.toString()) }
            }
        }
    }
}
