package kittiwake.worker

import kittiwake.KittiwakeSpi
import kittiwake.event.JobObserver
import kittiwake.job.Retention
import kittiwake.store.JobStore
import kittiwake.worker.internal.Telling
import kittiwake.worker.internal.WorkerLife
import kittiwake.worker.internal.WorkerLife.End.LOST
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.withContext
import org.slf4j.LoggerFactory
import kotlin.coroutines.CoroutineContext
import kotlin.random.Random
import kotlin.time.TimeSource

/** Works the jobs of some queues. Made by `kittiwake.worker { }`; it does nothing until it is run. */
@OptIn(KittiwakeSpi::class)
public class Worker internal constructor(
    /** How it was built. */
    public val config: WorkerConfig,
    private val store: JobStore,
    private val handlers: Map<String, BoundJob<*, *>>,
    private val observers: List<JobObserver>,
    private val retentions: Set<Retention>,
    private val time: TimeSource.WithComparableMarks,
    private val random: Random,
) {
    /**
     * Works jobs until the calling coroutine is cancelled, or somebody stops this worker from elsewhere.
     *
     * Handlers run on the caller's dispatcher. On cancellation it claims nothing more, gives running handlers
     * [WorkerConfig.shutdownGrace] to finish, cancels and releases the rest (a released job keeps its attempt), and
     * returns only when every result is written. Jobs whose code does not stop within [WorkerConfig.cancelGrace] are
     * named in the log and told as [kittiwake.event.JobEvent.Abandoned], and run again when the lease ends.
     *
     * Database failures do not end it: its loops log, back off and go on. When it was silent for so long that its jobs
     * were given to others, it cancels what still runs and starts anew. It throws only for a schema that it does not
     * know, a dispatcher that takes no more work, a defect of this library, or an [Error].
     *
     * ### Pitfall
     * Waiting for the grace takes as long as the slowest handler. In tests set it to zero.
     */
    public suspend fun run() {
        // A caller without a dispatcher, such as a `suspend fun main`, gets the one that `launch` would give it.
        val handlersRunOn = Dispatchers.Default + currentCoroutineContext()
        withContext(store.engine) { run(handlersRunOn) }
    }

    /**
     * The same, with handlers on a dispatcher of their own: they may block all its threads, and it still stops in time.
     */
    internal suspend fun run(handlersRunOn: CoroutineContext) {
        log.info("Starting {} for jobs {}", config, handlers.keys.sorted())
        try {
            while (life(handlersRunOn).live() == LOST) {
                log.warn("Worker \"{}\" was silent for too long and lost its jobs; it starts anew", config.name)
            }
        } finally {
            log.info("Worker \"{}\" has stopped", config.name)
        }
    }

    private fun life(handlersRunOn: CoroutineContext) =
        WorkerLife(config, store, handlers, Telling(observers), retentions, time, random, handlersRunOn)

    /** Runs it in the background, for programs without a coroutine scope of their own. Handlers run on [dispatcher]. */
    public fun start(dispatcher: CoroutineDispatcher = Dispatchers.Default): RunningWorker =
        RunningWorker(store.engine) { run(dispatcher) }

    /**
     * Runs it as what this process is for: blocks until the process is told to end (SIGTERM, SIGINT) or the worker is
     * stopped, and drains first.
     *
     * After a signal the JVM ends with the code that the signal gives it (143, 130).
     */
    public fun runUntilShutdown() {
        val running = start()
        val hook = Thread({ running.close() }, "kittiwake-shutdown")
        Runtime.getRuntime().addShutdownHook(hook)
        running.await()
        try {
            Runtime.getRuntime().removeShutdownHook(hook)
        } catch (_: IllegalStateException) {
            hook.join()
        }
    }

    override fun toString(): String = config.toString()

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}
