package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.internal.Health
import kittiwake.job.Interruption
import kittiwake.job.WorkerId
import kittiwake.store.JobStore
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import org.slf4j.LoggerFactory
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.TimeMark
import kotlin.time.TimeSource

/** Keeps this worker's claims, and hears what others want of it: that it stop, that a job be cancelled. */
@OptIn(KittiwakeSpi::class)
internal class Heartbeat(
    private val worker: WorkerId,
    private val store: JobStore,
    private val every: Duration,
    lease: Duration,
    private val running: RunningJobs,
    private val time: TimeSource,
    private val random: Random,
    private val onStopRequested: () -> Unit,
    private val onLost: () -> Unit,
) {
    /** No later than this after our last beat the others may have been silent for a lease. */
    private val patience = lease - every

    @Volatile
    private var answeredAt: TimeMark = time.markNow()

    @Volatile
    private var unbrokenSince: TimeMark = answeredAt

    /**
     * Since when the store has answered without fail and without a long silence: not at all while it is silent, though
     * no beat has failed yet. A rescuer needs a lease of this: others could not beat either while it could not.
     */
    val healthySince: TimeMark get() = if (isSilent()) time.markNow() else unbrokenSince

    /** The store has taken the worker in: what was before it was asked is no sign of health. */
    fun begin() {
        answeredAt = time.markNow()
        unbrokenSince = answeredAt
    }

    private fun isSilent() = answeredAt.elapsedNow() > patience

    suspend fun run() {
        val health = Health("The heartbeat of worker $worker", log, random)
        while (true) {
            delay(every)
            while (true) {
                try {
                    val pulse = store.beat(worker, running.ids)
                    answered()
                    health.recovered()
                    if (!pulse.alive) return onLost()
                    if (pulse.stopRequested) onStopRequested()
                    pulse.cancelled.forEach { running.interrupt(it, Interruption.CancelledByUser()) }
                    break
                } catch (e: Exception) {
                    currentCoroutineContext().ensureActive()
                    delay(health.failed(e).coerceAtMost(every))
                    unbrokenSince = time.markNow()
                }
            }
        }
    }

    private fun answered() {
        if (isSilent()) unbrokenSince = time.markNow()
        answeredAt = time.markNow()
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}
