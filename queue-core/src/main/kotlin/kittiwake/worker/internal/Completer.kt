package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.internal.Health
import kittiwake.internal.receiveBatch
import kittiwake.job.JobId
import kittiwake.job.WorkerId
import kittiwake.store.Completion
import kittiwake.store.JobStore
import kittiwake.worker.COMPLETION_BATCH
import kittiwake.worker.COMPLETION_WINDOW
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.ClosedSendChannelException
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import org.slf4j.LoggerFactory
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.TimeSource

/**
 * Writes completions in batches, in the order in which they came. The channel is bounded: a slow database slows the
 * handlers, not the heap.
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
    private val channel = Channel<Completion>(CAPACITY)

    suspend fun submit(completion: Completion) {
        try {
            channel.send(completion)
        } catch (_: ClosedSendChannelException) {
            onLost(completion)
        }
    }

    /** Nothing more will come: [run] writes what is there and returns. */
    fun close() {
        channel.close()
    }

    suspend fun run() {
        while (true) {
            val batch = channel.receiveBatch(COMPLETION_BATCH, COMPLETION_WINDOW) ?: return
            val returns = batch.filterIsInstance<Completion.Return>()
            val ends = batch.filterIsInstance<Completion.End>()
            if (returns.isNotEmpty()) write(returns) { store.putBack(worker, returns) }
            if (ends.isNotEmpty()) write(ends) { store.end(worker, ends) }
        }
    }

    private suspend fun write(batch: List<Completion>, statement: suspend () -> Set<JobId>) {
        val health = Health("Writing completions", log, random)
        val started = time.markNow()
        while (true) {
            try {
                val lost = statement()
                health.recovered()
                for (completion in batch) if (completion.claim.id in lost) onLost(completion) else onWritten(completion)
                return
            } catch (e: Exception) {
                currentCoroutineContext().ensureActive()
                if (started.elapsedNow() >= giveUpAfter) {
                    log.error(
                        "{} completions could not be written for {}; their jobs will run again",
                        batch.size, giveUpAfter, e,
                    )
                    batch.forEach(onLost)
                    return onGivenUp()
                }
                delay(health.failed(e))
            }
        }
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
        const val CAPACITY = 4_096
    }
}
