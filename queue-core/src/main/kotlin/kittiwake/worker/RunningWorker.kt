package kittiwake.worker

import kittiwake.internal.CurrentJob
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineExceptionHandler
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.launch
import org.slf4j.LoggerFactory
import java.util.concurrent.CompletableFuture
import kotlin.coroutines.CoroutineContext

/** A worker at work in the background. Close it to drain it. */
public class RunningWorker internal constructor(engine: CoroutineContext, worker: suspend () -> Unit) : AutoCloseable {
    private val scope = CoroutineScope(engine + SupervisorJob() + CoroutineExceptionHandler { _, _ -> })
    private val stopped = CompletableFuture<Void>()
    private val run = scope.launch { worker() }

    @Volatile
    private var failure: Throwable? = null

    init {
        run.invokeOnCompletion { cause ->
            failure = cause?.takeUnless { it is CancellationException }
            stopped.complete(null)
        }
    }

    /** Whether it still works. */
    public val isActive: Boolean get() = run.isActive

    /** Tells it to stop and returns at once; the future ends when it has drained. Calling it again is harmless. */
    public fun stopAsync(): CompletableFuture<Void> {
        run.cancel()
        return stopped
    }

    /**
     * Tells it to stop and blocks until it has drained: the grace, the cancel grace and the last writes at most.
     *
     * Called by one of its own handlers it returns at once, with a warning, and drains without it.
     */
    override fun close() {
        val drained = stopAsync()
        val handler = CurrentJob.idOrNull() ?: return drained.join().let { }
        log.warn("Job {} closes the worker that runs it; it drains in the background", handler)
    }

    /** Blocks until it has stopped, whoever stopped it. It throws what ended the worker when that was no stop. */
    public fun await() {
        stopped.join()
        failure?.let { throw it }
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}
