package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.internal.Health
import kittiwake.job.ClaimedJob
import kittiwake.job.Interruption
import kittiwake.store.Completion
import kittiwake.store.Completion.Settled.Reason
import kittiwake.store.JobStore
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.job
import kotlinx.coroutines.sync.Mutex
import org.slf4j.LoggerFactory
import java.util.concurrent.CopyOnWriteArraySet
import kotlin.random.Random
import kotlin.time.Duration

/**
 * Lets one suspect run at a time, and has it written down before it starts: so if the process dies of it, the store
 * knows whose doing it was. All others run beside it.
 *
 * Who waits for its turn keeps its claim and its place, can be interrupted, and is not timed.
 */
@OptIn(KittiwakeSpi::class)
internal class Suspects(private val store: JobStore, private val random: Random) {
    private val turn = Mutex()

    /** In the order in which they came, not in that of their places in memory: a simulation is to be repeatable. */
    private val waiting = CopyOnWriteArraySet<RunningJob>()

    @Volatile
    private var isReleased = false

    /** Runs [job] by [run] when it has its turn. Null, as there, when it is no longer ours to write about. */
    suspend fun inTurn(job: RunningJob, run: suspend (RunningJob) -> Completion?): Completion? {
        var hasTurn = false
        try {
            val isOurs =
                interruptibly(job) {
                    turn.lock()
                    hasTurn = true
                    announce(job.claim)
                }
            return if (isOurs == true) run(job) else notRun(job)
        } finally {
            if (hasTurn) turn.unlock()
        }
    }

    /** Those that wait for their turn go back to their queue, as what was claimed ahead does. */
    fun release() {
        isReleased = true
        waiting.forEach { it.interrupt(Interruption.WorkerStopping()) }
    }

    /** Null when the job was interrupted meanwhile. */
    private suspend fun <T : Any> interruptibly(job: RunningJob, wait: suspend () -> T): T? {
        waiting += job
        if (isReleased) job.interrupt(Interruption.WorkerStopping())
        return try {
            coroutineScope {
                job.entered(coroutineContext.job)
                wait()
            }
        } catch (_: CancellationException) {
            currentCoroutineContext().ensureActive()
            null
        } finally {
            waiting -= job
        }
    }

    /** It must not start unannounced: while the store is away it waits. */
    private suspend fun announce(claim: ClaimedJob): Boolean {
        val health = Health("Announcing $claim", log, random)
        while (true) {
            try {
                return store.announce(claim).also { health.recovered() }
            } catch (e: Exception) {
                currentCoroutineContext().ensureActive()
                delay(health.failed(e))
            }
        }
    }

    /** A claim that was lost is given back, too: the store says that it was, and forgets what is left of it. */
    private fun notRun(job: RunningJob): Completion? = when (job.interruption) {
        is Interruption.LeaseLost -> null
        is Interruption.CancelledByUser -> Completion.Settled(job.claim, Duration.ZERO, Reason.CANCELLED)
        is Interruption.WorkerStopping, is Interruption.TimedOut, null ->
            Completion.Released(job.claim, Duration.ZERO)
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}
