package bench.question

import bench.Backlog
import bench.Bench
import bench.Question
import bench.SCHEMA
import bench.Sample
import bench.Tables
import bench.Way
import bench.limit.InsertAndDelete
import bench.worker.Effect
import bench.worker.Handler
import bench.worker.WorkerProcess
import bench.worker.WorkerSettings

/** What it costs that the rows of a handler and the end of its job are one commit. */
internal object Handlers : Question {
    override val name = "handlers"
    override val asks =
        "how many jobs a second are done whose handlers insert one row in the transaction that completes the job, " +
            "200,000 after as many unmeasured ones? Bare SQL: the same insert and a fenced delete of the job, which " +
            "is in a lease already, by as many threads as handlers run at once; and with the insert in Exposed"

    private class Form(val what: String, val handler: Handler, val archive: Boolean = false)

    override fun ways(bench: Bench): List<Way> = TUNINGS.flatMap { tuning ->
        val bare =
            Way("", "bare SQL", "${tuning.concurrency} threads", isBare = true) {
                InsertAndDelete(it).measure(bench, tuning.concurrency!!)
            }
        val inExposed =
            Way("", "bare SQL, insert in Exposed", "${tuning.concurrency} threads", bare) {
                InsertAndDelete(it, inExposed = true).measure(bench, tuning.concurrency!!)
            }
        listOf(bare, inExposed) + listOf(
            Form("on JDBC", Handler.IN_JDBC),
            Form("in Exposed", Handler.IN_EXPOSED),
            Form("in Exposed, not watched", Handler.UNWATCHED),
            Form("in Exposed, archived", Handler.IN_EXPOSED, archive = true),
        ).map { form ->
            Way("", form.what, "$tuning", bare) { tables ->
                measure(bench, tables, form, tuning)
            }
        }
    }

    private fun measure(bench: Bench, tables: Tables, form: Form, tuning: Tuning): Sample {
        val jobs = bench.options.jobs ?: JOBS
        val settings =
            WorkerSettings(
                bench.server.url, form.archive, tuning.concurrency, tuning.prefetch, handler = form.handler,
            )
        bench.server.execute(Effect.CREATE)
        WorkerProcess.start(settings, bench.options).use { worker ->
            val backlog = Backlog(bench.server)
            repeat(LIVES) { life ->
                backlog.wait(WARM_UP / LIVES, archive = form.archive, first = jobs + life * WARM_UP / LIVES)
                worker.drain(WARM_UP / LIVES)
            }
            backlog.wait(jobs, archive = form.archive)
            bench.server.settle()
            val cost = worker.drain(jobs).cost
            tables.checkNothingLeft()
            val effects = bench.server.ask("select count(*) from $SCHEMA.effect").toInt()
            check(effects == WARM_UP + jobs) { "$effects rows were inserted by ${WARM_UP + jobs} jobs" }
            return Sample(mapOf("jobs/s" to jobs / cost.seconds) + cost.perJob(jobs))
        }
    }

    private val TUNINGS = listOf(Tuning(concurrency = 8, prefetch = null), Tuning(concurrency = 32, prefetch = 200))
    internal const val WARM_UP = 200_000

    /** A worker that is run again has code compiled again. That took 10 µs for each of 40,000 jobs; of many it is less. */
    internal const val JOBS = 200_000
    private const val LIVES = 2
}
