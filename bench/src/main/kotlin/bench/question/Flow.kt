package bench.question

import bench.Bench
import bench.Cost
import bench.Meter
import bench.Point
import bench.Series
import bench.Spread
import java.util.concurrent.locks.LockSupport

/** What went in and out over some seconds, looked at ten times in each. */
internal class Flow private constructor(private val looks: List<Look>, private val cost: Cost) {
    private class Look(val nanos: Long, val committed: Int, val completed: Int) {
        val backlog: Double get() = (committed - completed).toDouble()
    }

    /** From the first look to the last. */
    val span: LongRange = looks.first().nanos..looks.last().nanos

    /** Jobs a second out and in, and how many were between the two. [processes]: what these used of the processor. */
    fun figures(processes: Long): Map<String, Double?> {
        val seconds = (span.last - span.first) / 1e9
        val completed = looks.last().completed - looks.first().completed
        val committed = looks.last().committed - looks.first().committed
        val backlog = checkNotNull(Spread.of(looks.map { it.backlog }))
        return mapOf(
            "jobs/s" to completed / seconds,
            "enqueued/s" to committed / seconds,
            "backlog p50" to backlog.median,
            "backlog max" to backlog.max,
        ) + cost.with(processes).perJob(completed)
    }

    /** Each second. */
    fun backlog(): Series {
        val points = looks.filterIndexed { i, _ -> i % LOOKS_A_SECOND == 0 }
        return Series("backlog", "jobs", points.map { Point((it.nanos - span.first) / 1e9, it.backlog) })
    }

    companion object {
        private const val LOOKS_A_SECOND = 10

        /** [completed] is asked before [committed]: what is done between the two makes the backlog larger. */
        fun watch(bench: Bench, seconds: Int, committed: () -> Int, completed: () -> Int): Flow =
            Meter(bench.server.dataSource).use { meter ->
                val start = meter.read()
                val looks = List(seconds * LOOKS_A_SECOND + 1) { i ->
                    val due = start.nanos + i * 1_000_000_000L / LOOKS_A_SECOND
                    while (System.nanoTime() < due) LockSupport.parkNanos(due - System.nanoTime())
                    val done = completed()
                    Look(System.nanoTime(), committed(), done)
                }
                Flow(looks, meter.between(start, meter.read()))
            }
    }
}
