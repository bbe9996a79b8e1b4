package kittiwake.postgres

import java.sql.Connection
import java.sql.PreparedStatement
import java.sql.ResultSet
import java.sql.SQLException

/**
 * A connection whose session is not the engine's to change: a pooler hands it, transaction by transaction, to the
 * application too. So each statement is a transaction of its own that brings its settings along and leaves none behind.
 * They travel together, in the time of one.
 */
internal class WithoutSession(private val connection: Connection) : Connection by connection {
    override fun prepareStatement(sql: String): PreparedStatement =
        SettledStatement(connection.prepareStatement("${EngineSettings.ofTransaction()};\n$sql;\ncommit"))

    private inner class SettledStatement(private val statement: PreparedStatement) : PreparedStatement by statement {
        /** Returns when the transaction has committed. */
        override fun executeQuery(): ResultSet {
            try {
                var hasRows = statement.execute()
                while (!hasRows && statement.updateCount >= 0) hasRows = statement.moreResults
                return checkNotNull(statement.resultSet) { "The statement returns no rows" }
            } catch (e: SQLException) {
                rollback(e)
                throw e
            }
        }

        /** The server still waits for the end of the transaction that failed. */
        private fun rollback(failure: SQLException) {
            try {
                connection.createStatement().use { it.execute("rollback") }
            } catch (e: SQLException) {
                failure.addSuppressed(e)
            }
        }
    }
}
