package bench.question

import bench.Bench
import bench.Cost
import bench.Meter
import bench.Point
import bench.Question
import bench.Sample
import bench.Series
import bench.Shaded
import bench.Tables
import bench.Way
import bench.percentile
import bench.worker.WorkerProcess
import java.sql.Connection

/** Whether a forgotten transaction of somebody else makes the queue slow. */
internal object Snapshot : Question {
    override val name = "snapshot"
    override val asks =
        "8,000 jobs a second are offered for 90 s, 40 a transaction, after 10 s unmeasured. From second 5 on another " +
            "session holds a REPEATABLE READ snapshot, so that no dead row can be removed: do claims become slower, " +
            "does the backlog grow?"

    override val bars = listOf("claim p50, end / start")
    override val shaded = Shaded(HELD_FROM.toDouble(), SECONDS.toDouble(), "a snapshot is held, or is not")

    override fun ways(bench: Bench): List<Way> = listOf("a snapshot is held" to true, "none is held" to false)
        .map { (what, isHeld) -> Way("", what, "${Tuning.TUNED}") { measure(bench, it, isHeld) } }

    private fun measure(bench: Bench, tables: Tables, isHeld: Boolean): Sample {
        val seconds = bench.options.jobs?.div(RATE)?.coerceAtLeast(2 * HELD_FROM) ?: SECONDS
        WorkerProcess.start(Tuning.TUNED.settings(bench), bench.options).use { worker ->
            worker.warmUp(tables)
            bench.server.settle()
            worker.attend((WARM_UP + seconds + SPARE) * RATE, bench.server)
            Producer(bench, tables, RATE).use { producer ->
                Thread.sleep(WARM_UP * 1_000L)
                val windows = bench.server.dataSource.connection.use { other ->
                    windows(bench, worker, producer, seconds) { if (isHeld) hold(other) }
                }
                val offered = producer.stop()
                worker.finish(offered.count)
                tables.checkDone(offered, archive = true)
                return sample(windows)
            }
        }
    }

    /** What was seen from one look to the next, up to [second]. */
    private class Window(
        val second: Int,
        val claims: List<Double>,
        val backlog: Int,
        val offered: Double,
        val completed: Int,
        val cost: Cost,
    ) {
        val done get() = completed / cost.seconds
        val p50 get() = claims.percentile(.5)
        val p99 get() = claims.percentile(.99)
    }

    /** The first ends when the snapshot begins. */
    private fun windows(
        bench: Bench,
        worker: WorkerProcess,
        producer: Producer,
        seconds: Int,
        hold: () -> Unit,
    ): List<Window> = Meter(bench.server.dataSource).use { meter ->
        val started = System.nanoTime()
        var before = meter.read()
        var seenBefore = worker.look()
        var offeredBefore = producer.offered
        (listOf(HELD_FROM) + (EVERY..seconds step EVERY)).map { second ->
            while (System.nanoTime() - started < second * 1_000_000_000L) Thread.sleep(1)
            val now = meter.read()
            val seen = worker.look()
            val cost = meter.between(before, now).with(seen.cpu - seenBefore.cpu)
            val offered = producer.offered
            val rate = (offered - offeredBefore) / cost.seconds
            val claims = seen.claimMillis.sorted()
            Window(second, claims, offered - seen.completed, rate, seen.completed - seenBefore.completed, cost).also {
                before = now
                seenBefore = seen
                offeredBefore = offered
                if (second == HELD_FROM) hold()
            }
        }
    }

    /** As somebody does who looks something up and forgets to commit. */
    private fun hold(other: Connection) {
        other.autoCommit = false
        other.transactionIsolation = Connection.TRANSACTION_REPEATABLE_READ
        other.createStatement().use { it.execute("select count(*) from pg_class") }
    }

    private fun sample(windows: List<Window>): Sample {
        val (first, last) = windows.first() to windows.last()
        val figures = mapOf(
            "claim p50, end / start" to last.p50 / first.p50,
            "p50 ms at the start" to first.p50,
            "at the end" to last.p50,
            "p99 ms at the start" to first.p99,
            "p99 at the end" to last.p99,
            "server % at the start" to first.cost.serverShare,
            "server % at the end" to last.cost.serverShare,
            "most backlog" to windows.maxOf { it.backlog }.toDouble(),
            "backlog at the end" to last.backlog.toDouble(),
            // A backlog tells something only while the producer itself keeps up.
            "offered/s at the end" to last.offered,
            "jobs/s at the end" to last.done,
        ) + windows.map { it.cost }.reduce(Cost::plus).perJob(windows.sumOf { it.completed })

        fun series(what: String, unit: String, value: (Window) -> Double) =
            Series(what, unit, windows.map { Point(it.second.toDouble(), value(it)) })
        val curves = listOf(
            series("claim p50", "ms") { it.p50 },
            series("claim p99", "ms") { it.p99 },
            series("server CPU, of one core", "%") { it.cost.serverShare ?: 0.0 },
            series("backlog", "jobs") { it.backlog.toDouble() },
            series("offered", "jobs/s") { it.offered },
        )
        return Sample(figures, curves)
    }

    private const val SECONDS = 90
    private const val HELD_FROM = 5
    private const val EVERY = 10
    private const val WARM_UP = 10
    private const val SPARE = 10
    private const val RATE = 8_000
}
