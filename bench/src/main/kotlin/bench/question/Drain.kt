package bench.question

import bench.Bench
import bench.Question
import bench.Sample
import bench.Tables
import bench.Way
import bench.limit.BareWays
import bench.worker.WorkerProcess
import bench.worker.WorkerSettings

/** Claim, run and complete, with nothing else going on. */
internal object Drain : Question {
    override val name = "drain"
    override val asks =
        "how fast does one worker process, in a JVM of its own, finish 500,000 waiting no-op jobs of 100 bytes, " +
            "after 4,000,000 unmeasured ones?"

    override fun ways(bench: Bench): List<Way> {
        val bare = BareWays(bench)
        val tunings = Tuning.asked(bench.options) ?: listOf(Tuning.TUNED, Tuning.DEFAULT)
        return listOf("archive off" to false, "archive on" to true).flatMap { (group, archive) ->
            val limit = bare.drain(group, batch = 500, archive)
            tunings.map { tuning ->
                Way(group, "one worker", "$tuning", limit) { tables -> drain(bench, tables, archive, tuning) }
            }
        }
    }

    private fun drain(bench: Bench, tables: Tables, archive: Boolean, tuning: Tuning): Sample {
        val jobs = bench.options.jobs ?: JOBS
        val settings = WorkerSettings(bench.server.url, archive, tuning.concurrency, tuning.prefetch)
        WorkerProcess.start(settings, bench.options).use { worker ->
            for (round in 1..WARM_UPS) {
                tables.fill(WARM_UP, archive)
                if (round == 1) worker.warmUp(WARM_UP) else worker.drain(WARM_UP)
                tables.forgetArchive()
            }
            val ids = tables.fill(jobs, archive)
            bench.server.settle()
            val cost = worker.drain(jobs).cost
            tables.checkDone(ids, archive)
            return Sample(mapOf("jobs/s" to jobs / cost.seconds) + cost.perJob(jobs))
        }
    }

    private const val JOBS = 500_000

    /**
     * Unmeasured, in the same JVM: once with many jobs in memory, and then with the settings that are measured. After
     * 300,000 jobs of one worker the compiler still took 3.7 of the client's 8 µs for each of the next 500,000; after
     * 2,000,000 of both kinds the client took 3.6 µs at default settings, and the compiler 2.6 % of the machine. This is twice
     * as many.
     */
    private const val WARM_UPS = 10
    private const val WARM_UP = 400_000
}
