package chaos.check

import chaos.history.Change.Kind.ENQUEUED
import chaos.history.Entry.Offered
import chaos.history.Entry.Settled
import chaos.history.History
import chaos.history.Outcome
import chaos.plan.FaultKind

/**
 * What producers tried to commit, compared with what is there: each business row and its jobs came together or not at
 * all, whatever the producer knows of it.
 */
internal class CommittedOffers(history: History) {
    private val offers = history.entries<Offered>()
    private val settled = history.entries<Settled>().groupBy { it.business }.mapValues { (_, said) -> said.theAnswer }
    private val rows = history.businesses.groupBy { it.id }
    private val enqueued =
        history.changes
            .filter { it.kind == ENQUEUED && it.parent == null }
            .associateBy { it.job }

    private val crashes = history.faults.filter { it.fault.kind == FaultKind.CRASH_SERVER }

    /** What fails after the answer to a commit, the closing of the connection say, does not take it back. */
    private val List<Settled>.theAnswer get() = find { it.outcome == Outcome.COMMITTED } ?: last()

    /** What is wrong, and with which job. A history without offers has nothing to compare. */
    fun faults(): List<Pair<String, Long?>> =
        if (offers.isEmpty()) emptyList() else offers.flatMap(::faultsOf) + strayRows() + strayJobs()

    private fun faultsOf(offer: Offered): List<Pair<String, Long?>> = buildList {
        val found = rows[offer.business].orEmpty()
        val answer = settled[offer.business]
        val row = "business row ${offer.business}"
        if (found.size > 1) add("$row was committed ${found.size} times" to null)
        found.firstOrNull { it.jobs != offer.jobs }?.let { add("$row says ${it.jobs} jobs, not ${offer.jobs}" to null) }
        if (answer == null) return@buildList
        val isThere =
            when (answer.outcome) {
                Outcome.COMMITTED -> true
                Outcome.ROLLED_BACK -> false
                Outcome.UNKNOWN -> found.isNotEmpty()
            }
        if (isThere && found.isEmpty()) add("$row was committed and is gone" to null)
        if (!isThere && found.isNotEmpty()) add("$row was rolled back and is there" to null)
        if (answer.outcome == Outcome.COMMITTED && answer.ids.size != offer.jobs) {
            add("the enqueue of $row answered for ${answer.ids.size} of ${offer.jobs} jobs" to null)
        }
        for (job in answer.newIds) {
            if (isThere && !answer.enqueued(job)) add("was committed with $row and is lost" to job)
            if (!isThere && answer.enqueued(job)) add("is there without $row, which was not committed" to job)
        }
    }

    /**
     * Whether the job that is there is the one the answer speaks of. A server that crashes forgets which ids it gave to
     * what was not committed, and gives them to others when it is back.
     */
    private fun Settled.enqueued(job: Long): Boolean {
        val came = enqueued[job]?.at ?: return false
        return came <= at || crashes.none { it.until >= at && it.from <= came }
    }

    private fun strayRows(): List<Pair<String, Long?>> =
        (rows.keys - offers.mapTo(mutableSetOf()) { it.business }).map {
            "business row $it was offered by nobody" to
                null
        }

    /** Producers that died before they could tell the ids: as many jobs as their committed rows say, by name. */
    private fun strayJobs(): List<Pair<String, Long?>> {
        val known = settled.values.flatMapTo(mutableSetOf()) { answer -> answer.newIds.filter { answer.enqueued(it) } }
        val strays = enqueued.values.filter { it.job !in known }.groupBy { it.name.orEmpty() }
        val silent = offers.filter { it.business in rows }.groupBy { it.name }.mapValues { (_, told) -> range(told) }
        return (strays.keys + silent.keys).mapNotNull { name ->
            val found = strays[name].orEmpty()
            val expected = silent[name] ?: 0..0
            if (found.size in expected) return@mapNotNull null
            "${found.size} jobs \"$name\" belong to no answered enqueue; " +
                "committed rows without an answer have ${expected.first} to ${expected.last}" to
                found.firstOrNull()?.job
        }
    }

    /** A keyed enqueue may have found the job of another. */
    private fun range(offers: List<Offered>): IntRange {
        val untold = offers.map { it to it.jobs - settled[it.business].let { answer -> answer?.ids?.size ?: 0 } }
        return untold.filter { it.first.key == null }.sumOf { it.second }..untold.sumOf { it.second }
    }
}

internal val Settled.newIds: List<Long> get() = ids.filterIndexed { i, _ -> isNew.getOrElse(i) { true } }

internal val Settled.oldIds: List<Long> get() = ids.filterIndexed { i, _ -> !isNew.getOrElse(i) { true } }
