package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.internal.forever
import kittiwake.job.ClaimedJob
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.JobStore
import kittiwake.store.Wakeups
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.withContext
import org.slf4j.LoggerFactory
import kotlin.random.Random

/**
 * Takes up the jobs that enqueuers hand over to one queue while it sleeps, and offers to take the next. They are claimed
 * already, in this worker's name, so one for which there is no room any more is given back.
 */
@OptIn(KittiwakeSpi::class)
internal class HandOvers(
    private val queue: QueueName,
    private val worker: WorkerId,
    private val store: JobStore,
    private val slots: Slots,
    private val wakeups: Wakeups,
    private val bells: Bells,
    private val random: Random,
    private val giveBack: (ClaimedJob) -> Unit,
    private val open: () -> Unit,
) {
    suspend fun run(): Nothing = forever("Taking up what is handed over to queue \"$queue\"", log, random) {
        takeUp(bells.nextHandedOver(queue))
        // Who has so much to do claims many at once.
        if (slots.isFlowing()) {
            bells.ring(queue)
        } else if (slots.hasRoomForOne) {
            wakeups.offer(queue)
        }
    }

    /** From the answer to its place nothing may come between, as with a claim. */
    private suspend fun takeUp(lease: Long): Unit = withContext(NonCancellable) {
        val job = store.takeUp(worker, queue, lease) ?: return@withContext
        when (slots.admit(job)) {
            Slots.Admission.OPENS -> open()
            Slots.Admission.WAITS -> Unit
            Slots.Admission.NO_ROOM -> giveBack(job)
        }
        log.debug("Was handed job {} of queue \"{}\"", job.id, queue)
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}
