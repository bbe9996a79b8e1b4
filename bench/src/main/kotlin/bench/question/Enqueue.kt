package bench.question

import bench.Bench
import bench.Ids
import bench.Meter
import bench.NoopArgs
import bench.Question
import bench.Sample
import bench.Tables
import bench.Way
import bench.noop
import bench.percentile
import bench.worker.WorkerProcess
import bench.worker.WorkerSettings
import kittiwake.enqueue.JobRef
import kotlinx.coroutines.runBlocking
import java.sql.Connection
import java.util.concurrent.Callable
import java.util.concurrent.Executors

/** What an application pays for a job, in its own transactions. */
internal object Enqueue : Question {
    override val name = "enqueue"
    override val asks =
        "how many jobs of 100 bytes can be committed a second, one by one and a thousand a transaction?"

    private val type = noop(archive = true)

    /** One producer's work: jobs numbered from [first]. It returns what was enqueued, and how long each commit took. */
    private class Produced(val jobs: List<JobRef<*>>, val millis: List<Double>)

    private class Producing(
        val what: String,
        val producers: Int,
        val jobs: Int,
        val hasSleeper: Boolean = false,
        val produce: (Tables, Connection, IntRange) -> Produced,
    )

    private val WAYS = listOf(1 to 20_000, 4 to 40_000).flatMap { (producers, jobs) ->
        listOf(
            Producing("JDBC, one by one", producers, jobs, produce = ::oneByOne),
            Producing("JDBC, one by one", producers, jobs, hasSleeper = true, produce = ::oneByOne),
            Producing("submit, one by one", producers, jobs, produce = ::submitted),
        )
    } + Producing("JDBC, 1,000 a transaction", 1, 200_000, produce = ::inBulk)

    override fun ways(bench: Bench): List<Way> = WAYS.map { way ->
        val worker = if (way.hasSleeper) "a worker asleep, then at work" else "no worker"
        Way("", way.what, "producers ${way.producers}, $worker") { tables ->
            if (way.hasSleeper) withWorker(bench, tables, way) else measure(bench, tables, way, tables::checkWaiting)
        }
    }

    private fun withWorker(bench: Bench, tables: Tables, way: Producing): Sample {
        WorkerProcess.start(WorkerSettings(bench.server.url, archive = true), bench.options).use { worker ->
            worker.attend(way.warmUp + way.count(bench), bench.server)
            return measure(bench, tables, way) {
                worker.finish(way.warmUp + way.count(bench))
                tables.checkDone(it, archive = true)
            }
        }
    }

    private fun measure(bench: Bench, tables: Tables, way: Producing, check: (Ids) -> Unit): Sample {
        val dataSource = bench.server.dataSource
        val connections = List(way.producers) { dataSource.connection.apply { autoCommit = false } }
        val threads = Executors.newFixedThreadPool(way.producers)
        val count = way.count(bench)

        fun produce(from: Int, jobs: Int): List<Produced> {
            val share = jobs / way.producers
            val work = connections.mapIndexed { i, connection ->
                Callable { way.produce(tables, connection, from + i * share until from + (i + 1) * share) }
            }
            return threads.invokeAll(work).map { it.get() }
        }
        Meter(dataSource).use { meter ->
            produce(0, way.warmUp)
            bench.server.settle()
            val start = meter.read()
            val produced = produce(way.warmUp, count)
            val cost = meter.between(start, meter.read(System.nanoTime()))
            val jobs = produced.flatMap { it.jobs }.sortedBy { it.id.value }
            check(jobs.size == count) { "$count jobs were to be enqueued, but ${jobs.size} were" }
            check(Ids.of(jobs))
            connections.forEach { it.close() }
            threads.shutdown()
            val millis = produced.flatMap { it.millis }.sorted()
            val times = mapOf("p50 ms" to millis.percentile(.5), "p99 ms" to millis.percentile(.99))
            return Sample(mapOf("jobs/s" to count / cost.seconds) + times + cost.perJob(count))
        }
    }

    /** As many as asked, and the same for each producer. */
    private fun Producing.count(bench: Bench): Int =
        (bench.options.jobs ?: jobs) / (producers * 1_000) * (producers * 1_000)

    private val Producing.warmUp: Int get() = producers * 5_000

    private fun oneByOne(tables: Tables, connection: Connection, numbers: IntRange): Produced =
        timed(numbers) { number ->
            tables.kittiwake.enqueue(connection, type, NoopArgs(number)).also { connection.commit() }.let(::listOf)
        }

    private fun submitted(tables: Tables, connection: Connection, numbers: IntRange): Produced {
        check(!connection.isClosed)
        return runBlocking { timed(numbers) { number -> listOf(tables.kittiwake.submit(type, NoopArgs(number))) } }
    }

    private fun inBulk(tables: Tables, connection: Connection, numbers: IntRange): Produced =
        timed(numbers step 1_000) { first ->
            val args = (first until first + 1_000).map(::NoopArgs)
            tables.kittiwake.enqueueAll(connection, type, args).also { connection.commit() }
        }

    private inline fun timed(steps: Iterable<Int>, step: (Int) -> List<JobRef<*>>): Produced {
        val jobs = mutableListOf<JobRef<*>>()
        val millis = mutableListOf<Double>()
        for (number in steps) {
            val started = System.nanoTime()
            jobs += step(number)
            millis += (System.nanoTime() - started) / 1e6
        }
        return Produced(jobs, millis)
    }
}
