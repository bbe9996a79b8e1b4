package chaos.check

import chaos.history.Change
import chaos.history.Change.Kind.ENQUEUED
import chaos.history.Entry.Offered
import chaos.history.Entry.Settled
import chaos.history.History
import chaos.history.Outcome

/** K8: of one name and key there is one unfinished job, and who is told of it can find it. */
class UniqueKeys : Check {
    override val id = "K8"
    override val guards = listOf("G3", "G14")
    override val claim = "At no time two unfinished jobs have one name and key, and \"not new\" names a committed job"

    override fun examine(history: History): Finding {
        val answers = history.entries<Settled>().filter { it.outcome == Outcome.COMMITTED && it.oldIds.isNotEmpty() }
        return Finding(
            twins(history) + misled(history, answers),
            figures = mapOf("answered \"not new\"" to "${answers.sumOf { it.oldIds.size }}"),
        )
    }

    private fun twins(history: History): List<Violation> = buildList {
        val unfinished = mutableMapOf<Pair<String?, String>, Long>()
        val keys = mutableMapOf<Long, Pair<String?, String>>()
        for (change in history.changes) {
            if (change.kind == ENQUEUED && change.key != null) {
                val key = change.name to change.key
                unfinished.put(key, change.job)?.let { twin ->
                    add(broken("has the name and key of unfinished job $twin: $key", change.job))
                }
                keys[change.job] = key
            } else if (change.kind.isEnd) {
                keys[change.job]?.let { unfinished.remove(it, change.job) }
            }
        }
    }

    private fun misled(history: History, answers: List<Settled>): List<Violation> {
        val offers = history.entries<Offered>().associateBy { it.business }
        return answers.flatMap { answer ->
            val offer = offers[answer.business]
            answer.oldIds.mapNotNull { job -> misled(history.byJob[job]?.enqueued, offer)?.let { broken(it, job) } }
        }
    }

    private fun misled(job: Change?, offer: Offered?): String? = when {
        job == null -> "was named as the one with the key, and was never committed"
        offer?.key == null -> null
        job.name != offer.name || job.key != offer.key ->
            "was named as \"${offer.name}\" with key ${offer.key}; it is \"${job.name}\" with key ${job.key}"
        else -> null
    }
}
