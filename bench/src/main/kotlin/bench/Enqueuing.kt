package bench

import java.sql.Connection
import java.util.concurrent.Callable
import java.util.concurrent.Executors

/** Stores jobs: those of the given numbers, all of them or none, and durably. */
internal fun interface JobWriter {
    fun write(numbers: IntRange)
}

/** How jobs are enqueued: by [producers] at once, each on a connection and a thread of its own, [size] a transaction. */
internal class Enqueuing private constructor(
    private val producers: Int,
    private val size: Int,
    private val jobs: Int,
    private val writer: (Tables, Connection) -> JobWriter,
) {
    /** Unmeasured: what is interpreted still is slower by half. */
    private val warmUp = if (size > 1) 100_000 else 20_000

    /** As many as asked, and the same for each producer. */
    private fun count(options: Options): Int = (options.jobs ?: jobs).let { it - it % (producers * size) }

    /** How many are stored by [measure], the unmeasured ones included. */
    fun total(options: Options): Int = warmUp - warmUp % (producers * size) + count(options)

    /**
     * Measures from the first transaction to the end of the last. [processes] tells what others have used of the
     * processor that belong to it; [afterwards] is not measured.
     */
    fun measure(bench: Bench, tables: Tables, processes: () -> Long = { 0 }, afterwards: () -> Unit): Sample {
        val count = count(bench.options)
        val total = total(bench.options)
        Producers(tables, producers, size, writer).use { producers ->
            Meter(bench.server.dataSource).use { meter ->
                producers.write(0 until total - count)
                bench.server.settle()
                val before = processes()
                val start = meter.read()
                val millis = producers.write(total - count until total).sorted()
                val cost = meter.between(start, meter.read(System.nanoTime())).with(processes() - before)
                afterwards()
                val times = mapOf("p50 ms" to millis.percentile(.5), "p99 ms" to millis.percentile(.99))
                return Sample(mapOf("jobs/s" to count / cost.seconds) + times + cost.perJob(count))
            }
        }
    }

    override fun toString(): String = if (producers == 1) "1 producer" else "$producers producers"

    companion object {
        fun oneByOne(producers: Int, writer: (Tables, Connection) -> JobWriter): Enqueuing =
            Enqueuing(producers, size = 1, jobs = minOf(15_000 + 10_000 * producers, 100_000), writer)

        /** A thousand a transaction. */
        fun bulk(producers: Int, writer: (Tables, Connection) -> JobWriter): Enqueuing =
            Enqueuing(producers, size = 1_000, jobs = 400_000, writer)
    }
}

/** Threads that enqueue, each with a connection that does not commit by itself. */
internal class Producers(
    tables: Tables,
    count: Int,
    private val size: Int,
    writer: (Tables, Connection) -> JobWriter,
) : AutoCloseable {
    private val connections = List(count) { tables.server.dataSource.connection.apply { autoCommit = false } }
    private val writers = connections.map { writer(tables, it) }
    private val threads = Executors.newFixedThreadPool(count)

    /** Each stores its share of [numbers]. Returns how many milliseconds each transaction took. */
    fun write(numbers: IntRange): List<Double> {
        val share = numbers.count() / writers.size
        val work = writers.mapIndexed { i, writer ->
            val first = numbers.first + i * share
            Callable { write(writer, first until first + share) }
        }
        return threads.invokeAll(work).flatMap { it.get() }
    }

    private fun write(writer: JobWriter, numbers: IntRange): List<Double> = (numbers step size).map { first ->
        val started = System.nanoTime()
        writer.write(first until first + size)
        (System.nanoTime() - started) / 1e6
    }

    override fun close() {
        threads.shutdown()
        connections.forEach { it.close() }
    }
}
