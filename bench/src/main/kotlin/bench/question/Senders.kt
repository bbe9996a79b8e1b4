package bench.question

import bench.JobWriter
import bench.Tables
import java.sql.Connection
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicLongArray
import kotlin.concurrent.thread

/** [count] producers that commit one job after the other until they are stopped, numbered from zero without a gap. */
internal class Senders(tables: Tables, count: Int, atMost: Int, writer: (Tables, Connection) -> JobWriter) :
    AutoCloseable {
    private val next = AtomicInteger()
    private val done = AtomicInteger()
    private val times = AtomicLongArray(atMost)

    @Volatile
    private var isStopped = false

    private val threads = List(count) { i ->
        thread(name = "producer ${i + 1}") {
            tables.server.dataSource.connection.use { connection ->
                connection.autoCommit = false
                val jobs = writer(tables, connection)
                while (!isStopped) {
                    val number = next.getAndIncrement()
                    jobs.write(number..number)
                    times.set(number, System.nanoTime())
                    done.incrementAndGet()
                }
            }
        }
    }

    /** How many are committed. */
    val committed: Int get() = done.get()

    /** When the commit of the job of this number returned. */
    fun committedAt(number: Int): Long = times.get(number)

    /** Returns how many were committed in all. */
    fun stop(): Int {
        isStopped = true
        threads.forEach { it.join() }
        check(next.get() == done.get()) { "A producer has failed" }
        return done.get()
    }

    override fun close() {
        stop()
    }
}
