package kittiwake.postgres

import java.sql.Connection
import kotlin.time.Duration

/** One connection for one purpose, opened when it is first needed and again after a failure. One user at a time. */
internal class OwnConnection(
    private val source: ConnectionSource,
    private val name: String,
    private val networkTimeout: Duration,
) : AutoCloseable {
    private var connection: Connection? = null
    private var closed = false

    /** Runs [block] on it. [opened] runs before, on a connection that is new. */
    fun <T> use(opened: (Connection) -> Unit = {}, block: (Connection) -> T): T = synchronized(this) {
        check(!closed) { "Kittiwake is closed" }
        try {
            val current = connection ?: source.open(name, networkTimeout).also { connection = it }.also(opened)
            withoutDetail { block(current) }
        } catch (e: Exception) {
            drop()
            throw e
        }
    }

    override fun close() {
        synchronized(this) {
            closed = true
            drop()
        }
    }

    private fun drop() {
        try {
            connection?.close()
        } catch (_: java.sql.SQLException) {
            // It was broken already; the server forgets its locks either way.
        }
        connection = null
    }
}
