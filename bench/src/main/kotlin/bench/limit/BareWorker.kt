package bench.limit

import bench.Tables
import java.util.UUID
import java.util.concurrent.locks.LockSupport
import kotlin.concurrent.thread

/**
 * Claims and completes whatever comes, up to [batch] at a time, on one connection of this process. It waits for more
 * after a batch that was not full.
 */
internal class BareWorker(tables: Tables, private val batch: Int) : AutoCloseable {
    private val connection = BareClaims.connect(tables.server.dataSource)
    private val claims = BareClaims(connection, UUID.randomUUID(), archive = true)

    @Volatile
    private var isStopped = false

    @Volatile
    var completed = 0
        private set

    private val working = thread(name = "bare worker") {
        var held = claims.claim(batch)
        while (!isStopped) {
            if (held.ids.size < batch) LockSupport.parkNanos(WAIT_NANOS)
            val next = if (held.ids.isEmpty()) claims.claim(batch) else claims.completeAndClaim(held, batch)
            completed += held.ids.size
            held = next
        }
    }

    /** Waits until [jobs] are completed. */
    fun finish(jobs: Int) {
        while (completed < jobs) check(working.isAlive) { "The bare worker has failed" }
    }

    override fun close() {
        isStopped = true
        working.join()
        connection.close()
    }

    private companion object {
        /**
         * Larger batches leave the producers more of the machine. Beside four of them, 2 ms gave a tenth more jobs/s than
         * 0.2 ms in each of two rounds, and 5 ms about as much as 2.
         */
        const val WAIT_NANOS = 2_000_000L
    }
}
