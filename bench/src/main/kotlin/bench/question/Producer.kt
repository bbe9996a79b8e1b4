package bench.question

import bench.Bench
import bench.Ids
import bench.NoopArgs
import bench.Tables
import bench.noop
import kittiwake.enqueue.JobRef
import java.util.concurrent.locks.LockSupport
import kotlin.concurrent.thread

/** Offers jobs at this [rate] a second until it is stopped. When it was held up it offers the rest at once. */
internal class Producer(bench: Bench, private val tables: Tables, rate: Int) : AutoCloseable {
    private val connection = bench.server.dataSource.connection.apply { autoCommit = false }
    private val jobs = mutableListOf<JobRef<*>>()

    @Volatile
    private var isStopped = false

    /** How many are committed. */
    @Volatile
    var offered = 0
        private set

    private val working = thread(name = "producer") {
        val type = noop(archive = true)
        var next = System.nanoTime()
        while (!isStopped) {
            val args = List(TRANSACTION) { NoopArgs(offered + it) }
            jobs += tables.kittiwake.enqueueAll(connection, type, args)
            connection.commit()
            offered += TRANSACTION
            next += TRANSACTION * 1_000_000_000L / rate
            while (System.nanoTime() < next) LockSupport.parkNanos(next - System.nanoTime())
        }
    }

    /** What was offered. */
    fun stop(): Ids {
        isStopped = true
        working.join()
        return Ids.of(jobs)
    }

    override fun close() {
        isStopped = true
        working.join()
        connection.close()
    }

    private companion object {
        const val TRANSACTION = 40
    }
}
