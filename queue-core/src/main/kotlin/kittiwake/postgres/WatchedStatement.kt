package kittiwake.postgres

import java.sql.Array
import java.sql.Connection
import java.sql.PreparedStatement
import java.sql.ResultSet
import java.sql.SQLException
import java.sql.SQLType
import java.sql.Statement
import java.sql.Wrapper

/**
 * A statement of [watched], and so are its results: neither leads behind that connection without it. It says each time
 * when [sql] is about to be run: a pool may keep it from one transaction to another.
 */
internal class WatchedStatement(
    private val statement: PreparedStatement,
    private val sql: String,
    private val watched: WatchedConnection,
) : PreparedStatement by statement {
    override fun getConnection(): Connection = watched

    override fun execute(): Boolean = running { execute() }

    override fun executeQuery(): ResultSet = WatchedResults(running { executeQuery() }, this, watched)

    override fun executeUpdate(): Int = running { executeUpdate() }

    override fun executeLargeUpdate(): Long = running { executeLargeUpdate() }

    override fun executeBatch(): IntArray = running { executeBatch() }

    override fun executeLargeBatch(): LongArray = running { executeLargeBatch() }

    // A prepared statement takes no other text, says JDBC; the driver takes it in some of these forms.

    override fun execute(sql: String): Boolean = running(sql) { execute(sql) }

    override fun execute(sql: String, keys: Int): Boolean = running(sql) { execute(sql, keys) }

    override fun execute(sql: String, keys: IntArray?): Boolean = running(sql) { execute(sql, keys) }

    override fun execute(sql: String, keys: kotlin.Array<out String>?): Boolean = running(sql) { execute(sql, keys) }

    override fun executeQuery(sql: String): ResultSet =
        WatchedResults(running(sql) { executeQuery(sql) }, this, watched)

    override fun executeUpdate(sql: String): Int = running(sql) { executeUpdate(sql) }

    override fun executeUpdate(sql: String, keys: Int): Int = running(sql) { executeUpdate(sql, keys) }

    override fun executeUpdate(sql: String, keys: IntArray?): Int = running(sql) { executeUpdate(sql, keys) }

    override fun executeUpdate(sql: String, keys: kotlin.Array<out String>?): Int =
        running(sql) { executeUpdate(sql, keys) }

    override fun addBatch(sql: String): Unit = running(sql) { addBatch(sql) }

    override fun getResultSet(): ResultSet? = statement.resultSet?.let { WatchedResults(it, this, watched) }

    override fun getGeneratedKeys(): ResultSet = WatchedResults(statement.generatedKeys, this, watched)

    override fun <T : Any?> unwrap(type: Class<T>): T = watched.unseen { statement.unwrappedTo(type) }

    override fun isWrapperFor(type: Class<*>): Boolean = statement.isBehind(type)

    // What an interface does by default is not delegated.

    override fun getLargeUpdateCount(): Long = statement.largeUpdateCount

    override fun getLargeMaxRows(): Long = statement.largeMaxRows

    override fun setLargeMaxRows(max: Long) {
        statement.largeMaxRows = max
    }

    override fun setObject(index: Int, value: Any?, type: SQLType?): Unit = statement.setObject(index, value, type)

    override fun setObject(index: Int, value: Any?, type: SQLType?, scale: Int): Unit =
        statement.setObject(index, value, type, scale)

    override fun enquoteLiteral(text: String?): String = statement.enquoteLiteral(text)

    override fun enquoteNCharLiteral(text: String?): String = statement.enquoteNCharLiteral(text)

    override fun enquoteIdentifier(name: String?, always: Boolean): String = statement.enquoteIdentifier(name, always)

    override fun isSimpleIdentifier(name: String?): Boolean = statement.isSimpleIdentifier(name)

    override fun toString(): String = statement.toString()

    private inline fun <T> running(text: String = sql, run: PreparedStatement.() -> T): T {
        watched.runs(text)
        return statement.run()
    }
}

private class WatchedResults(
    private val results: ResultSet,
    private val from: WatchedStatement,
    private val watched: WatchedConnection,
) : ResultSet by results {
    override fun getStatement(): Statement = from

    override fun getArray(column: Int): Array? = watched.unseen { results.getArray(column) }

    override fun getArray(column: String?): Array? = watched.unseen { results.getArray(column) }

    override fun getObject(column: Int): Any? = handed(results.getObject(column))

    override fun getObject(column: String?): Any? = handed(results.getObject(column))

    override fun getObject(column: Int, map: Map<String, Class<*>>?): Any? = handed(results.getObject(column, map))

    override fun getObject(column: String?, map: Map<String, Class<*>>?): Any? = handed(results.getObject(column, map))

    override fun <T : Any?> getObject(column: Int, type: Class<T>?): T = handed(results.getObject(column, type))

    override fun <T : Any?> getObject(column: String?, type: Class<T>?): T = handed(results.getObject(column, type))

    override fun <T : Any?> unwrap(type: Class<T>): T = watched.unseen { results.unwrappedTo(type) }

    override fun isWrapperFor(type: Class<*>): Boolean = results.isBehind(type)

    // What an interface does by default is not delegated.

    override fun updateObject(column: Int, value: Any?, type: SQLType?): Unit = results
        .updateObject(column, value, type)

    override fun updateObject(column: Int, value: Any?, type: SQLType?, scale: Int): Unit =
        results.updateObject(column, value, type, scale)

    override fun updateObject(column: String?, value: Any?, type: SQLType?): Unit =
        results.updateObject(column, value, type)

    override fun updateObject(column: String?, value: Any?, type: SQLType?, scale: Int): Unit =
        results.updateObject(column, value, type, scale)

    override fun toString(): String = results.toString()

    /** Some values have results of their own, and those their statement. */
    private fun <T> handed(value: T): T = if (value is Array || value is ResultSet) watched.unseen { value } else value
}

/** What [Wrapper.unwrap] promises, of a wrapper that may be a [type] itself. */
internal fun <T> Wrapper.unwrappedTo(type: Class<T>): T = if (type.isInstance(this)) type.cast(this) else unwrap(type)

/** Whether [unwrappedTo] can answer. */
internal fun Wrapper.isBehind(type: Class<*>): Boolean = type.isInstance(this) || isWrapperFor(type)

/** The [type] that this is or has behind it; null as well when that is not told. */
internal fun <T> Wrapper.behind(type: Class<T>): T? = try {
    if (isBehind(type)) unwrappedTo(type) else null
} catch (_: SQLException) {
    null
}
