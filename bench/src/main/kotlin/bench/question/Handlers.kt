package bench.question

import bench.Bench
import bench.Contender
import bench.Cost
import bench.Effect
import bench.OF_LIMIT
import bench.Question
import bench.SCHEMA
import bench.Sample
import bench.Tables
import bench.Way
import bench.limit.InsertAndDelete
import bench.worker.Handler
import bench.worker.WorkerSettings

/**
 * What it costs that the rows of a handler and the end of its job are one commit. Who is compared takes turns every few
 * seconds: within minutes a shared machine changes its pace by more than what is to be seen.
 */
internal object Handlers : Question {
    override val name = "handlers"
    override val asks =
        "how many jobs a second are done whose handlers insert one row in the transaction that completes the job? " +
            "Four bites of 30,000, in turn with bare SQL, after 300,000 unmeasured jobs. Bare SQL: the same insert " +
            "and a fenced delete of the job, which is in a lease already, by as many threads as handlers run at " +
            "once; and with the insert in Exposed"

    private class Form(
        val what: String,
        val handler: Handler,
        val archive: Boolean = false,
        val isExposed: Boolean = true,
    )

    override fun ways(bench: Bench): List<Way> = PREFETCHES.flatMap { (threads, prefetch) ->
        val tuning = Tuning(threads, prefetch)
        val plain = { InsertAndDelete(bench, threads) }
        val inExposed = { InsertAndDelete(bench, threads, inExposed = true) }
        val bare = Way("", "bare SQL", "$threads threads", isBare = true) { measure(bench, it, plain) }
        val bareInExposed =
            Way("", "bare SQL, insert in Exposed", "$threads threads", bare) {
                measure(bench, it, inExposed, mapOf(OF_LIMIT to plain))
            }
        listOf(bare, bareInExposed) + FORMS.map { form ->
            val settings =
                WorkerSettings(
                    bench.server.url, form.archive, threads, prefetch,
                    pollEveryMillis = SELDOM_MILLIS, handler = form.handler,
                )
            val others = mapOf(OF_LIMIT to plain, OF_EXPOSED to inExposed).filterKeys {
                it == OF_LIMIT || form.isExposed
            }
            Way("", form.what, "$tuning", bare) { measure(bench, it, { ToldWorker(bench, settings) }, others) }
        }
    }

    /** How fast [subject] is, and of how fast each of [others] is in the same time that is how many per cent. */
    private fun measure(
        bench: Bench,
        tables: Tables,
        subject: () -> Contender,
        others: Map<String, () -> Contender> = emptyMap(),
    ): Sample {
        bench.server.execute(Effect.CREATE)
        val us = subject()
        val them = others.mapValues { it.value() }
        var done = 0

        val all = bench.options.jobs ?: JOBS
        val bite = minOf(all, BITE)

        fun Contender.bite(jobs: Int = bite) = bite(done until done + jobs).also { done += jobs }
        (them.values + us).forEach { it.bite(it.warmUp) }
        bench.server.settle()
        val rounds = List(all / bite) { us.bite() to them.mapValues { it.value.bite() } }
        (them.values + us).forEach { it.close() }
        tables.checkNothingLeft()
        val effects = bench.server.ask("select count(*) from $SCHEMA.effect").toInt()
        check(effects == done) { "$effects rows were inserted by $done jobs" }

        val jobs = rounds.size * bite
        val cost = rounds.map { it.first }.reduce(Cost::plus)
        val inTurn = them.mapValues { (name, _) -> rounds.sumOf { it.second.getValue(name).seconds } }
        return Sample(
            mapOf("jobs/s" to jobs / cost.seconds) +
                inTurn.mapValues { (_, seconds) -> 100 * seconds / cost.seconds } +
                inTurn.entries.associate { (name, seconds) -> RATES.getValue(name) to jobs / seconds } +
                cost.perJob(jobs),
        )
    }

    /** How many jobs run at once, and how many are claimed ahead of them. */
    private val PREFETCHES = listOf(8 to null, 32 to 200)
    private val FORMS =
        listOf(
            Form("on JDBC", Handler.IN_JDBC, isExposed = false),
            Form("in Exposed", Handler.IN_EXPOSED),
            Form("in Exposed, not watched", Handler.UNWATCHED),
            Form("in Exposed, archived", Handler.IN_EXPOSED, archive = true),
        )
    private const val BITE = 30_000
    private const val JOBS = 4 * BITE

    /** A worker is told of each bite, and should not find it a moment before. */
    private const val SELDOM_MILLIS = 60_000L
    private const val OF_EXPOSED = "% of it in Exposed"

    /** What the pace is called that a share is of: that of bare SQL in its turns. */
    private val RATES = mapOf(OF_LIMIT to "bare in turn, jobs/s", OF_EXPOSED to "in Exposed in turn, jobs/s")
}
