package bench.question

import bench.Bench
import bench.Question
import bench.Row
import bench.Tables
import bench.wants
import bench.worker.WorkerProcess
import bench.worker.WorkerSettings

/** Claim, run and complete, with nothing else going on. */
internal object Drain : Question {
    override val name = "drain"
    override val asks =
        "how fast does one worker process, in a JVM of its own, finish 200,000 waiting no-op jobs of 100 bytes, " +
            "after 300,000 unmeasured ones?"

    private class Way(val concurrency: Int?, val prefetch: Int?) {
        val settings = if (concurrency == null &&
            prefetch == null
        ) {
            "default (8, 0 ahead)"
        } else {
            "$concurrency, $prefetch ahead"
        }
    }

    override fun answer(bench: Bench): List<Row> {
        val options = bench.options
        val ways =
            if (options.concurrency != null || options.prefetch != null) {
                listOf(Way(options.concurrency ?: 8, options.prefetch ?: 0))
            } else {
                listOf(DEFAULT, TUNED)
            }
        return listOf(true to "archive on", false to "archive off").flatMap { (archive, what) ->
            ways.filter { options.wants("$what, ${it.settings}") }.map { way ->
                bench.row(what, way.settings) { tables -> drain(bench, tables, archive, way) }
            }
        }
    }

    private fun drain(bench: Bench, tables: Tables, archive: Boolean, way: Way): Map<String, Double?> {
        val jobs = bench.options.jobs ?: JOBS
        val settings = WorkerSettings(bench.server.url, archive, way.concurrency, way.prefetch)
        WorkerProcess.start(settings, bench.options).use { worker ->
            tables.fill(WARM_UP, archive)
            worker.warmUp(WARM_UP)
            val ids = tables.fill(jobs, archive)
            bench.server.settle()
            val cost = worker.drain(jobs).cost
            tables.checkDone(ids, archive)
            return mapOf("jobs/s" to jobs / cost.seconds) + cost.perJob(jobs)
        }
    }

    private const val JOBS = 200_000

    /**
     * Unmeasured, in the same JVM, with many jobs in memory whatever the settings. After 100,000 jobs the compiler still
     * took almost half of the client's time over the next 600,000.
     */
    private const val WARM_UP = 300_000
    private val DEFAULT = Way(null, null)
    private val TUNED = Way(concurrency = 64, prefetch = 2_000)
}
