package kittiwake.postgres

import kittiwake.testing.TestDatabase
import java.sql.Connection
import java.sql.DriverManager

/**
 * A gate between processes: who comes to it while it is closed waits, and the test sees that. It is an advisory lock of
 * the server, which a process that is stopped is given all the same.
 */
class Gate(private val url: String, private val schema: String) {
    private val key = "hashtextextended('gate of $schema', 0)"

    /** Waits until the gate is open. */
    fun pass(): Unit = DriverManager.getConnection(url).use(::pass)

    /** The same in the transaction of [connection]. */
    fun pass(connection: Connection) {
        connection.createStatement().use { it.execute("select pg_advisory_xact_lock_shared($key)") }
    }

    /** Closes it until the answer is closed. */
    fun close(): AutoCloseable = DriverManager.getConnection(url).also { connection ->
        connection.createStatement().use { it.execute("select pg_advisory_lock($key)") }
    }

    /** How many wait at it. */
    fun waiting(): Int {
        val locked = "classid::bigint << 32 | objid::bigint"
        val waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted and ($locked) = $key"
        return TestDatabase.query(waits).single().toInt()
    }
}
