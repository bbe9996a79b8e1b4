package bench.question

import bench.Bench
import bench.Question
import bench.Sample
import bench.Tables
import bench.Way
import bench.limit.BareClaims
import bench.limit.BareInserts
import bench.limit.BareWorker
import bench.percentile
import bench.worker.WorkerProcess
import bench.worker.WorkerSettings

/** Both ends at once. The worker must never be the bottleneck. */
internal object Steady : Question {
    override val name = "steady"
    override val asks =
        "four producers commit jobs of 100 bytes one by one, as fast as they can, for 30 s after 30 unmeasured ones: " +
            "does one worker process, in a JVM of its own, keep up? Bare SQL: the same producers by INSERT + COMMIT, " +
            "and one connection that claims up to 500 and completes them"
    override val bars = listOf("jobs/s", "p50 ms", "p99 ms")

    override fun ways(bench: Bench): List<Way> {
        val limit = Way("", "bare SQL", isBare = true) { tables -> bare(bench, tables) }
        return (Tuning.asked(bench.options) ?: listOf(Tuning.TUNED, Tuning.DEFAULT)).map { tuning ->
            Way("", "one worker", "$tuning", limit) { tables -> worked(bench, tables, tuning) }
        }
    }

    private fun worked(bench: Bench, tables: Tables, tuning: Tuning): Sample {
        val settings = WorkerSettings(bench.server.url, archive = true, tuning.concurrency, tuning.prefetch)
        WorkerProcess.start(settings, bench.options).use { worker ->
            worker.warmUp(tables)
            worker.attend(AT_MOST, bench.server)
            bench.server.settle()
            Senders(tables, PRODUCERS, AT_MOST, Enqueue::enqueue).use { senders ->
                Thread.sleep(LEAD_MILLIS)
                val before = worker.look()
                val flow = Flow.watch(bench, SECONDS, senders::committed) { worker.look().completed }
                val after = worker.look()
                val total = senders.stop()
                val started = worker.finish(total).startedAt
                tables.checkDone(total)
                val waits = (0 until total)
                    .filter { senders.committedAt(it) in flow.span }
                    .map { (started[it] - senders.committedAt(it)) / 1e6 }
                    .sorted()
                val times = mapOf("p50 ms" to waits.percentile(.5), "p99 ms" to waits.percentile(.99))
                return Sample(flow.figures(after.cpu - before.cpu) + times, listOf(flow.backlog()))
            }
        }
    }

    private fun bare(bench: Bench, tables: Tables): Sample {
        BareClaims.prepareArchive(bench.server)
        bench.server.settle()
        BareWorker(tables, batch = 500).use { worker ->
            Senders(tables, PRODUCERS, AT_MOST, { _, connection -> BareInserts.oneByOne(connection) }).use { senders ->
                Thread.sleep(LEAD_MILLIS)
                val flow = Flow.watch(bench, SECONDS, senders::committed) { worker.completed }
                val total = senders.stop()
                worker.finish(total)
                tables.checkDone(total)
                return Sample(flow.figures(processes = 0), listOf(flow.backlog()))
            }
        }
    }

    private const val PRODUCERS = 4
    private const val LEAD_MILLIS = 30_000L
    private const val SECONDS = 30

    /** More than any machine commits in that time. */
    private const val AT_MOST = 3_000_000
}
