package kittiwake.java.internal

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.future.future
import kotlinx.coroutines.isActive
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionException
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ExecutionException

/** Where threads wait for coroutines. Closing it ends every wait. */
internal class Waits : AutoCloseable {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.IO)
    private val futures = ConcurrentHashMap.newKeySet<CompletableFuture<*>>()

    fun <T> future(block: suspend () -> T): CompletableFuture<T> {
        checkOpen()
        val future = scope.future { block() }
        futures += future
        future.whenComplete { _, _ -> futures -= future }
        return future
    }

    /**
     * Runs a short statement to its end; an interrupt does not break it off.
     *
     * It begins on the calling thread: what is wrong is thrown with the caller's stack, and a job enqueued by a handler
     * knows its parent by the handler's thread.
     */
    fun <T> untilDone(statement: suspend () -> T): T {
        checkOpen()
        val future = scope.future(Dispatchers.Unconfined, CoroutineStart.UNDISPATCHED) { statement() }
        try {
            return future.join()
        } catch (e: CompletionException) {
            throw e.cause ?: e
        }
    }

    /** Waits for [future], and gives it up when the calling thread is interrupted. */
    fun <T> interruptibly(future: CompletableFuture<T>): T = try {
        future.get()
    } catch (e: ExecutionException) {
        throw e.cause ?: e
    } catch (e: InterruptedException) {
        future.cancel(true)
        throw e
    }

    override fun close() {
        scope.cancel("Kittiwake is closed")
        // A coroutine in the middle of a statement ends when the statement does; nobody needs to wait for that.
        futures.toList().forEach { it.cancel(true) }
    }

    private fun checkOpen() = check(scope.isActive) { "Kittiwake is closed" }
}
