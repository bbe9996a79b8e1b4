package bench.question

import bench.Backlog
import bench.Bench
import bench.Cost
import bench.Question
import bench.SCHEMA
import bench.Sample
import bench.Tables
import bench.Way
import bench.percentile
import bench.worker.Reply
import bench.worker.WorkerProcess

/** Whether it matters how much lies in the tables. */
internal object Depth : Question {
    override val name = "depth"
    override val asks =
        "how fast are jobs claimed and done with few and with many waiting? At each depth 20 times the first 10,000, " +
            "each time by a worker that was just started, and 10,000 more are stored in between"

    override val bars = listOf("jobs/s", "claim p50 ms")

    private class Heap(val waiting: Int, val scheduled: Int = 0, val archived: Int = 0) {
        override fun toString(): String = listOf(waiting to "waiting", scheduled to "scheduled", archived to "archived")
            .filter { it.first > 0 }
            .joinToString { (jobs, where) -> "%,d $where".format(jobs) }
    }

    override fun ways(bench: Bench): List<Way> {
        val few = way(bench, Heap(BITE), limit = null)
        return listOf(few) + listOf(
            Heap(MILLION),
            Heap(10 * MILLION),
            Heap(BITE, scheduled = MILLION),
            Heap(BITE, archived = 10 * MILLION),
        ).map { way(bench, it, limit = few) }
    }

    private fun way(bench: Bench, heap: Heap, limit: Way?) =
        Way("", "$heap", "${Tuning.TUNED}", limit) { tables -> measure(bench, tables, heap) }

    private fun measure(bench: Bench, tables: Tables, heap: Heap): Sample {
        val settings = Tuning.TUNED.settings(bench)
        WorkerProcess.start(settings, bench.options).use { worker ->
            val backlog = Backlog(bench.server)
            backlog.wait(WARM_UP)
            worker.warmUp(WARM_UP)
            tables.forgetArchive()
            backlog.archive(heap.archived)
            backlog.schedule(heap.scheduled)
            backlog.wait(heap.waiting - BITE)
            bench.server.settle()
            repeat(UNMEASURED) { bite(worker, backlog) }
            val bites = List((bench.options.jobs ?: JOBS) / BITE) { bite(worker, backlog) }
            check(heap, left = bench.server.ask("select count(*) from $SCHEMA.job").toInt())
            return sample(bites)
        }
    }

    /** A worker that is stopped after so many has done a few more. */
    private fun check(heap: Heap, left: Int) {
        val most = heap.waiting - BITE + heap.scheduled
        check(left in heap.scheduled..most) { "$left jobs are left, but at most $most should be" }
    }

    private fun bite(worker: WorkerProcess, backlog: Backlog): Reply.Drained {
        backlog.wait(BITE)
        return worker.bite(BITE)
    }

    private fun sample(bites: List<Reply.Drained>): Sample {
        val jobs = bites.size * BITE
        val cost = bites.map { it.cost }.reduce(Cost::plus)
        val claims = bites.flatMap { it.claimMillis }.sorted()
        val times = mapOf("claim p50 ms" to claims.percentile(.5), "claim p99 ms" to claims.percentile(.99))
        return Sample(mapOf("jobs/s" to jobs / cost.seconds) + times + cost.perJob(jobs))
    }

    private const val MILLION = 1_000_000
    private const val BITE = 10_000
    private const val JOBS = 20 * BITE
    private const val UNMEASURED = 5
    private const val WARM_UP = 300_000
}
