package kittiwake.postgres

import org.postgresql.util.PSQLException
import org.postgresql.util.ServerErrorMessage

/**
 * Runs [statements] of the engine's own. When one fails, the server's detail does not go into the exception's message,
 * and so into no log: it quotes whole rows, args and all.
 */
internal fun <T> withoutDetail(statements: () -> T): T = try {
    statements()
} catch (e: PSQLException) {
    val said: ServerErrorMessage = e.serverErrorMessage ?: throw e
    throw PSQLException(said, false).apply {
        stackTrace = e.stackTrace
        e.suppressed.forEach(::addSuppressed)
    }
}
