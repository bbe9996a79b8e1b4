package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.internal.periodically
import kittiwake.job.WorkerId
import kittiwake.store.JobStore
import kittiwake.store.Wakeups
import org.slf4j.LoggerFactory
import kotlin.random.Random
import kotlin.time.Duration

/**
 * Looks for all queues of a worker that sleep, by one statement, and rings where there is something or soon will be. If
 * that fails, each of them has to look for itself: what one of them makes slow must not let the others sleep on.
 */
@OptIn(KittiwakeSpi::class)
internal class Poll(
    private val worker: WorkerId,
    private val store: JobStore,
    private val wakeups: Wakeups,
    private val bells: Bells,
    private val every: Duration,
    private val random: Random,
) {
    suspend fun run(): Nothing = periodically("Polling", every, log, random) {
        val asleep = bells.asleep
        try {
            if (asleep.isNotEmpty()) store.look(worker, asleep, within = every * UNTIL_THE_NEXT).forEach(bells::ring)
        } catch (e: Exception) {
            asleep.forEach(bells::ring)
            throw e
        }
    }

    /** What was handed over and not heard of is told by this. It has no part in the other: that must not wait for it. */
    suspend fun runForHandedOver(): Nothing = periodically("Looking after what is offered", every, log, random) {
        wakeups.lookForHandedOver()
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!

        /** The next look comes a tenth later at most, and takes its time. */
        const val UNTIL_THE_NEXT = 1.5
    }
}
