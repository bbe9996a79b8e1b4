package kittiwake.postgres

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Runnable
import kotlinx.coroutines.currentCoroutineContext
import java.sql.Connection
import kotlin.coroutines.ContinuationInterceptor
import kotlin.coroutines.CoroutineContext

/**
 * Where the engine's loops run: on [threads], and there their statements, too.
 *
 * Whoever hears a signal on a connection has a thread that is awake and a server process that is: the loop that
 * answers the signal goes on right there, up to the end of its first statement, instead of waking one thread to run
 * it, another to send the statement, and another process to execute it.
 */
internal class EngineDispatcher(private val threads: CoroutineDispatcher) : CoroutineDispatcher() {
    private val heardOn = ThreadLocal<Connection?>()

    /** Calls [ring] so that the first loop to wake up by it goes on here, with [connection] for its first statement. */
    fun hear(connection: Connection, ring: () -> Unit) {
        heardOn.set(connection)
        try {
            ring()
        } finally {
            heardOn.remove()
        }
    }

    /** The connection that a signal was just heard on, once. */
    fun heardOn(): Connection? = heardOn.get()?.also { heardOn.remove() }

    /** Whether the caller runs here, and may block its thread for a statement. */
    suspend fun isHere(): Boolean = currentCoroutineContext()[ContinuationInterceptor] === this

    override fun isDispatchNeeded(context: CoroutineContext): Boolean = heardOn.get() == null

    override fun dispatch(context: CoroutineContext, block: Runnable): Unit = threads.dispatch(context, block)
}
