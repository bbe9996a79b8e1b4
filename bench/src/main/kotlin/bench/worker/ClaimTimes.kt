package bench.worker

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.JobStore

/** How long claims took that found something, as the engine waits for them: with the way to a connection and back. */
internal class ClaimTimes {
    private var millis = mutableListOf<Double>()

    @Synchronized
    fun add(nanos: Long) {
        millis += nanos / 1e6
    }

    /** Those since the last call. */
    @Synchronized
    fun take(): List<Double> = millis.also { millis = mutableListOf() }
}

/** A store that tells how long its claims take. */
@OptIn(KittiwakeSpi::class)
internal class TimedStore(private val store: JobStore, private val times: ClaimTimes) : JobStore by store {
    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> {
        val started = System.nanoTime()
        return store.claim(worker, queue, limit).also { if (it.isNotEmpty()) times.add(System.nanoTime() - started) }
    }
}
