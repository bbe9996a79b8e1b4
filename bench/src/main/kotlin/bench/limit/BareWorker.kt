package bench.limit

import bench.Tables
import java.util.UUID
import java.util.concurrent.locks.LockSupport
import kotlin.concurrent.thread

/**
 * Claims and completes whatever comes, up to [batch] at a time, on one connection of this process. When nothing came it
 * looks again a fifth of a millisecond later.
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
            if (held.ids.isEmpty()) {
                LockSupport.parkNanos(LOOK_EVERY_NANOS)
                held = claims.claim(batch)
            } else {
                val next = claims.completeAndClaim(held, batch)
                completed += held.ids.size
                held = next
            }
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
        const val LOOK_EVERY_NANOS = 200_000L
    }
}
