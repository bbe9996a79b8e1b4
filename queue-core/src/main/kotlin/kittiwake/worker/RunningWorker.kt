package kittiwake.worker

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineExceptionHandler
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionException

/** A worker at work in the background. Close it to drain it. */
public class RunningWorker internal constructor(worker: Worker, dispatcher: CoroutineDispatcher) : AutoCloseable {
    private val scope = CoroutineScope(dispatcher + SupervisorJob() + CoroutineExceptionHandler { _, _ -> })
    private val ended = CompletableFuture<Void>()
    private val run = scope.launch { worker.run() }

    init {
        run.invokeOnCompletion { cause ->
            if (cause == null ||
                cause is CancellationException
            ) {
                ended.complete(null)
            } else {
                ended.completeExceptionally(cause)
            }
        }
    }

    /** Whether it still works. */
    public val isActive: Boolean get() = run.isActive

    /** Tells it to stop and returns at once; the future ends when it has drained. Calling it again is harmless. */
    public fun stopAsync(): CompletableFuture<Void> {
        run.cancel()
        return ended.exceptionally { null }
    }

    /** Tells it to stop and blocks until it has drained: the grace, the cancel grace and the last writes at most. */
    override fun close() {
        stopAsync().join()
    }

    /** Blocks until it has stopped, whoever stopped it. It throws what ended the worker when that was no stop. */
    public fun await() {
        try {
            ended.join()
        } catch (e: CompletionException) {
            throw e.cause ?: e
        }
    }
}
