package kittiwake.postgres

import java.sql.Connection
import javax.sql.DataSource

/**
 * Connections of [dataSource] that see what may end their transaction, which saves a handler in a transaction its first
 * round trip.
 *
 * ```
 * val db = Database.connect(WatchedDataSource(pool))
 * kittiwake.attach(db)
 * ```
 * Kittiwake does not complete a job whose handler committed or rolled back before its end. To find out, it marks the
 * transaction on the server before the handler's first statement. On a connection of this data source it need not,
 * until the handler does something after which that could no longer be told: it takes a savepoint; it asks for the
 * connection of the driver, for metadata, an array, a cursor, a call or a statement that is not prepared; or it sends a
 * text with one of the words commit, end, rollback, abort, prepare and savepoint, whatever for, or with an escape of
 * JDBC. Then the mark is made first, and nothing is lost but the time.
 *
 * All else is as with [dataSource]: what is made is a connection of it, and unwraps to it. Only one that a handler
 * closes is rolled back first. The connections must unwrap to those of the PostgreSQL driver, or nothing is saved. Put
 * it around your pool, not into it: in a pool a connection that once did one of these things is marked first for good.
 *
 * What it saves was measured: decision 0040.
 *
 * ### Pitfall
 * A transaction is watched on its connection. Where another hand ends it, such as a transaction manager that has
 * enlisted the connection, use [dataSource] itself.
 */
public class WatchedDataSource(internal val dataSource: DataSource) : DataSource by dataSource {
    override fun getConnection(): Connection = WatchedConnection(dataSource.connection)

    override fun getConnection(username: String?, password: String?): Connection =
        WatchedConnection(dataSource.getConnection(username, password))

    override fun <T : Any?> unwrap(type: Class<T>): T =
        if (type.isInstance(this)) type.cast(this) else dataSource.unwrappedTo(type)

    override fun isWrapperFor(type: Class<*>): Boolean = type.isInstance(this) || dataSource.isBehind(type)

    override fun toString(): String = "watched $dataSource"
}
