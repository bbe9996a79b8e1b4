package bench.question

import bench.Bench
import bench.Cost
import bench.JobWriter
import bench.Meter
import bench.NoopArgs
import bench.Question
import bench.SCHEMA
import bench.Sample
import bench.Tables
import bench.Way
import bench.limit.BareClaims
import bench.limit.BareInserts
import bench.middleAndEdge
import bench.noop
import bench.percentile
import bench.worker.Handler
import bench.worker.Reply
import bench.worker.WorkerProcess
import bench.worker.WorkerSettings
import kotlinx.coroutines.runBlocking
import java.sql.Connection
import java.util.concurrent.locks.LockSupport
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** How soon an idle worker begins. */
internal object Latency : Question {
    override val name = "latency"
    override val asks =
        "how long from the return of the commit to the start of the handler, in an idle worker of another process " +
            "that was busy before, was woken for 6,000 unmeasured jobs, and polls once a minute, one job each 50 ms, " +
            "300 jobs? How long does that commit take itself, with its notification? Bare SQL: INSERT with NOTIFY, " +
            "and a program that listens as ours does, claims durably and completes on one connection; or INSERT of " +
            "job and lease, and a program that reads what it is handed. And how late are delayed jobs?"

    /**
     * Unmeasured jobs, each for itself: what only a wake-up runs is not compiled for good before its 5,000th time. In a
     * worker that had been woken 300 times it took 0.6 ms between the notification and the handler, and then 0.3.
     */
    private const val WARM_UP = 6_000
    private const val MEASURED = 300

    /** Jobs that the worker's JVM has drained before: one that has done nothing yet interprets its code. */
    private const val COMPILED_AFTER = 100_000
    private const val LOOK_EVERY_MILLIS = 10L

    /** It is measured meanwhile. */
    private const val LOOK_SELDOM_MILLIS = 200L
    private val WARM_UP_EVERY = 3.milliseconds
    private val EVERY = 50.milliseconds
    private const val POLL_EVERY_MILLIS = 60_000L
    private val type = noop(archive = true)

    override val bars = listOf("p50 ms", "p99 ms")

    override fun ways(bench: Bench): List<Way> {
        val bare =
            Way("", "commit to start, bare LISTEN", isBare = true) { tables ->
                bare(bench, tables, Handler.BARE, BareInserts::notifying)
            }
        val handedOver =
            Way("", "commit to start, bare, handed over", isBare = true) { tables ->
                bare(bench, tables, Handler.BARE_HANDED_OVER, BareInserts::handingOver)
            }
        return listOf(bare, handedOver) + listOf(
            Telling("commit to start, JDBC", enqueue = ::throughJdbc),
            Telling("commit to start, submit") { tables, _ -> throughSubmit(tables) },
            Telling("lateness of delayed jobs", isDelayed = true) { tables, _ -> delayed(tables) },
        ).map { told ->
            Way("", told.what, "default, pollEvery 60s", handedOver.takeUnless { told.isDelayed }) { tables ->
                measure(bench, tables, told)
            }
        }
    }

    private class Telling(
        val what: String,
        val isDelayed: Boolean = false,
        val enqueue: (Tables, Connection) -> EnqueueOne,
    )

    /** The clock right after a commit, and how long it took where that is known. */
    private class Committed(val at: Long, val nanos: Long? = null)

    /** Enqueues a job and commits. */
    private fun interface EnqueueOne {
        fun now(number: Int): Committed
    }

    private fun throughJdbc(tables: Tables, connection: Connection) = EnqueueOne { number ->
        tables.kittiwake.enqueue(connection, type, NoopArgs(number))
        val started = System.nanoTime()
        connection.commit()
        System.nanoTime().let { Committed(it, it - started) }
    }

    private fun through(writer: JobWriter) = EnqueueOne { number ->
        writer.write(number..number)
        Committed(System.nanoTime())
    }

    private fun throughSubmit(tables: Tables) = EnqueueOne { number ->
        runBlocking { tables.kittiwake.submit(type, NoopArgs(number)) }
        Committed(System.nanoTime())
    }

    /** Due in another order than they were enqueued in, from half a second to three later. */
    private fun delayed(tables: Tables) = EnqueueOne { number ->
        val wait = (500 + number * 997 % 2_500).milliseconds
        runBlocking { tables.kittiwake.submit(type, NoopArgs(number)) { delay = wait } }
        Committed(System.nanoTime())
    }

    private fun measure(bench: Bench, tables: Tables, told: Telling): Sample {
        val settings = WorkerSettings(bench.server.url, archive = true, pollEveryMillis = POLL_EVERY_MILLIS)
        WorkerProcess.start(settings, bench.options).use { worker ->
            worker.warmUp(tables, COMPILED_AFTER)
            worker.attend(WARM_UP + MEASURED, bench.server)
            return tell(bench, tables, worker, told)
        }
    }

    private fun bare(bench: Bench, tables: Tables, handler: Handler, writer: (Connection) -> JobWriter): Sample {
        BareClaims.prepareArchive(bench.server)
        val settings = WorkerSettings(bench.server.url, archive = true, handler = handler)
        WorkerProcess.start(settings, bench.options).use { listener ->
            listener.begin(WARM_UP + MEASURED)
            return tell(bench, tables, listener, Telling("") { _, connection -> through(writer(connection)) })
        }
    }

    private fun tell(bench: Bench, tables: Tables, worker: WorkerProcess, told: Telling): Sample {
        bench.server.settle()
        bench.server.dataSource.connection.use { connection ->
            connection.autoCommit = false
            Meter(bench.server.dataSource).use { meter ->
                val one = told.enqueue(tables, connection)
                one.each(WARM_UP_EVERY, 0 until WARM_UP)
                while (worker.look().completed < WARM_UP) Thread.sleep(LOOK_EVERY_MILLIS)
                val (start, before) = meter.read() to worker.look()
                val committed = one.each(EVERY, WARM_UP until WARM_UP + MEASURED)
                while (worker.look().completed < WARM_UP + MEASURED) Thread.sleep(LOOK_SELDOM_MILLIS)
                val cost = meter.between(start, meter.read()).with(worker.look().cpu - before.cpu)
                val attended = worker.finish(WARM_UP + MEASURED)
                val waits = if (told.isDelayed) lateness(bench, attended) else waits(attended, committed)
                return Sample(figures(waits.sorted(), committed.mapNotNull { it.nanos }, cost))
            }
        }
    }

    private fun EnqueueOne.each(interval: Duration, numbers: IntRange): List<Committed> {
        val started = System.nanoTime()
        return numbers.mapIndexed { i, number ->
            val due = started + i * interval.inWholeNanoseconds
            while (System.nanoTime() < due) LockSupport.parkNanos(due - System.nanoTime())
            now(number)
        }
    }

    /** A handler may start before its enqueuer's commit has returned: such a wait is below zero, and counts as it is. */
    private fun waits(attended: Reply.Attended, committed: List<Committed>): List<Double> =
        attended.startedAt.drop(WARM_UP).zip(committed) { started, commit -> (started - commit.at) / 1e6 }

    /** By the time of day, which a local server and the worker share. */
    private fun lateness(bench: Bench, attended: Reply.Attended): List<Double> {
        val due = bench.server.ask(DUE_TIMES).split(',').map(String::toLong)
        check(due.size == WARM_UP + MEASURED) { "${due.size} jobs were done, but ${WARM_UP + MEASURED} were enqueued" }
        return attended.startedAtMicros.zip(due) { started, at -> (started - at) / 1e3 }.drop(WARM_UP)
    }

    private fun figures(millis: List<Double>, commits: List<Long>, cost: Cost): Map<String, Double?> {
        check(millis.size == MEASURED)
        val waits = mapOf(
            "p50 ms" to millis.percentile(.5),
            "p95 ms" to millis.percentile(.95),
            "p99 ms" to millis.percentile(.99),
            "max ms" to millis.last(),
        )
        return waits + commits.map { it / 1e6 }.sorted().middleAndEdge("commit") + cost.perJob(MEASURED)
    }

    private const val DUE_TIMES = """
        select string_agg((extract(epoch from run_at) * 1000000)::bigint::text, ','
                          order by (args::json ->> 'number')::int)
        from $SCHEMA.archive
        where ending = 'completed'
    """
}
