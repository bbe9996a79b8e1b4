package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.internal.Health
import kittiwake.internal.receiveBatch
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.WorkerId
import kittiwake.store.Completion
import kittiwake.store.Completion.Settled
import kittiwake.store.Completion.Settled.Reason
import kittiwake.store.JobStore
import kittiwake.store.UnwritableException
import kittiwake.worker.COMPLETION_BATCH
import kittiwake.worker.COMPLETION_WINDOW
import kittiwake.worker.SETTLED_WINDOW
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.ClosedSendChannelException
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.supervisorScope
import org.slf4j.LoggerFactory
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.TimeSource

/**
 * Writes completions in batches, and two batches at once: one waits for the disk while the server works on the other.
 * All of one lease go the same way, in the order in which they came, for of two batches under way neither could know
 * that it empties the lease. The channels are bounded: a slow database slows the handlers, not the heap.
 *
 * A batch that cannot be written is tried again until [giveUpAfter] has passed; then the worker must take a new id, so
 * that its claims are taken back rather than kept by a process that can never finish them.
 */
@OptIn(KittiwakeSpi::class)
internal class Completer(
    private val worker: WorkerId,
    private val store: JobStore,
    private val giveUpAfter: Duration,
    private val time: TimeSource,
    private val random: Random,
    private val onWritten: (Completion) -> Unit,
    private val onLost: (Completion) -> Unit,
    private val onGivenUp: () -> Unit,
) {
    private val ways = List(WAYS) { Channel<Completion>(CAPACITY / WAYS) }

    suspend fun submit(completion: Completion) {
        try {
            ways[completion.claim.lease.mod(WAYS)].send(completion)
        } catch (_: ClosedSendChannelException) {
            onLost(completion)
        }
    }

    /** Nothing more will come: [run] writes what is there and returns. */
    fun close() {
        ways.forEach { it.close() }
    }

    /** What goes wrong in one way leaves the other to write what it has. */
    suspend fun run(): Unit = supervisorScope {
        ways.forEach { launch { write(it) } }
    }

    private suspend fun write(way: Channel<Completion>) {
        while (true) {
            val batch = way.receiveBatch(COMPLETION_BATCH) { first ->
                if (first.all { it is Settled }) SETTLED_WINDOW else COMPLETION_WINDOW
            } ?: return
            val returns = batch.filterIsInstance<Completion.Return>()
            val (forgotten, kept) = batch.filterIsInstance<Completion.End>().partition { it.isForgotten }
            if (returns.isNotEmpty()) putBack(returns)
            if (kept.isNotEmpty()) end(kept)
            if (forgotten.isNotEmpty()) end(forgotten)
        }
    }

    /** A job whose end is refused runs again: the reason is kept with the attempt, and somebody will look at it. */
    private suspend fun end(ends: List<Completion.End>): Unit = write(ends, { store.end(worker, it) }) { end, e ->
        putBack(listOf(refused(end, e)))
    }

    private suspend fun putBack(returns: List<Completion.Return>): Unit =
        write(returns, { store.putBack(worker, it) }) { back, _ -> giveUp(listOf(back)) }

    private fun refused(end: Completion.End, e: UnwritableException): Completion.Return {
        log.error("The end of {} is refused by the store; it runs again in {}", end.claim, REFUSED_DELAY, e)
        // A job whose attempts were used up before this one is not run any more: only its end is tried again.
        if (end.claim.attempt > end.claim.maxAttempts) return Completion.Snoozed(end.claim, end.took, REFUSED_DELAY)
        val error =
            errorText(IllegalStateException("The end of this attempt could not be written: ${e.cause?.message}", e))
        return Completion.Failed(end.claim, end.took, error, REFUSED_DELAY)
    }

    /** One completion that is refused must not drag the others of its batch along: it is found by halving. */
    private suspend fun <C : Completion> write(
        batch: List<C>,
        statement: suspend (List<C>) -> Set<JobId>,
        onRefused: suspend (C, UnwritableException) -> Unit,
    ) {
        val health = Health("Writing completions", log, random)
        val started = time.markNow()
        while (true) {
            try {
                val lost = statement(batch)
                health.recovered()
                return tell(batch, lost)
            } catch (e: UnwritableException) {
                if (batch.size == 1) return onRefused(batch.single(), e)
                return batch.chunked((batch.size + 1) / 2).forEach { write(it, statement, onRefused) }
            } catch (e: Exception) {
                currentCoroutineContext().ensureActive()
                if (started.elapsedNow() >= giveUpAfter) {
                    log.error(
                        "{} completions could not be written for {}; their jobs will run again",
                        batch.size, giveUpAfter, e,
                    )
                    return giveUp(batch)
                }
                delay(health.failed(e))
            }
        }
    }

    /** A handler's transaction may have committed although the handler saw it fail: then the job is completed. */
    private suspend fun tell(batch: List<Completion>, lost: Set<JobId>) {
        if (lost.isEmpty()) return batch.forEach(onWritten)
        val claims = batch.map { it.claim }.filter { it.id in lost }
        val completed = if (claims.isEmpty()) emptySet() else completedAnyway(claims)
        for (completion in batch) {
            when (completion.claim.id) {
                in completed -> onWritten(Settled(completion.claim, completion.took, Reason.WRITTEN_BY_HANDLER))
                in lost -> onLost(completion)
                else -> onWritten(completion)
            }
        }
    }

    private suspend fun completedAnyway(claims: List<ClaimedJob>): Set<JobId> = try {
        store.completedAnyway(worker, claims)
    } catch (e: Exception) {
        currentCoroutineContext().ensureActive()
        log.warn("What became of {} cannot be asked", claims, e)
        emptySet()
    }

    private fun giveUp(batch: List<Completion>) {
        batch.forEach(onLost)
        onGivenUp()
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
        const val WAYS = 2
        const val CAPACITY = 4_096
        val REFUSED_DELAY = 1.minutes
    }
}
