package kittiwake.postgres

import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import java.sql.Connection
import javax.sql.DataSource
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** The few connections that the engine's statements run on. It opens none before the first statement. */
internal class ControlPool(private val source: ConnectionSource, val size: Int) : AutoCloseable {
    private val pool: HikariDataSource by lazy {
        HikariDataSource(
            HikariConfig().apply {
                poolName = "kittiwake"
                dataSource = TimedDataSource(source.dataSource)
                maximumPoolSize = size
                minimumIdle = 0
                idleTimeout = 1.minutes.inWholeMilliseconds
                connectionTimeout = 5.seconds.inWholeMilliseconds
                initializationFailTimeout = -1
                connectionInitSql = source.initial("control")
                // Else it asks the first connection, and takes -1 for an answer when that breaks meanwhile.
                if (connectionInitSql != null) transactionIsolation = "TRANSACTION_READ_COMMITTED"
            },
        )
    }

    @Volatile
    private var closed = false

    fun <T> use(block: (Connection) -> T): T {
        check(!closed) { "Kittiwake is closed" }
        return pool.connection.use { withoutDetail { block(source.settled(it)) } }
    }

    override fun close() {
        if (closed) return
        closed = true
        pool.close()
    }

    /** The pool's own look at the network timeout is restored after each use, so it has to be there from the start. */
    private class TimedDataSource(private val source: DataSource) : DataSource by source {
        override fun getConnection(): Connection = source.connection.apply {
            setNetworkTimeout({ it.run() }, NETWORK_TIMEOUT)
        }
    }

    private companion object {
        /** Longer than the statement timeout, which should speak first. */
        val NETWORK_TIMEOUT = 15.seconds.inWholeMilliseconds.toInt()
    }
}
