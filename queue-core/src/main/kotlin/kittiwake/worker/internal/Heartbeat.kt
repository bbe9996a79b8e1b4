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
    private val running: RunningJobs,
    private val time: TimeSource,
    private val random: Random,
    private val onStopRequested: () -> Unit,
    private val onLost: () -> Unit,
) {
    /**
     * Since when the store has answered without fail. A rescuer needs a lease of this: others could not beat either
     * while it could not.
     */
    @Volatile
    var healthySince: TimeMark = time.markNow()
        private set

    suspend fun run() {
        val health = Health("The heartbeat of worker $worker", log, random)
        while (true) {
            delay(every)
            while (true) {
                try {
                    val pulse = store.beat(worker, running.ids)
                    health.recovered()
                    if (!pulse.alive) return onLost()
                    if (pulse.stopRequested) onStopRequested()
                    pulse.cancelled.forEach { running.interrupt(it, Interruption.CancelledByUser()) }
                    break
                } catch (e: Exception) {
                    currentCoroutineContext().ensureActive()
                    delay(health.failed(e).coerceAtMost(every))
                    healthySince = time.markNow()
                }
            }
        }
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}
