package chaos.check

import chaos.history.Change
import chaos.history.Change.Kind.CANCELLED
import chaos.history.Change.Kind.COMPLETED
import chaos.history.Change.Kind.DISCARDED
import chaos.history.Entry.CalledOff
import chaos.history.History
import chaos.work.Deed

/** K1: what was committed ends, and what was not committed never was. */
class NothingLost : Check {
    override val id = "K1"
    override val guards = listOf("G1", "G2", "G20")
    override val claim = "Every committed job ends, once and as it may; a transaction that enqueues is all or nothing"

    override fun examine(history: History): Finding {
        val calledOff = history.entries<CalledOff>()
        val endings = Endings(history, calledOff.mapTo(mutableSetOf()) { it.job })
        val broken =
            history.byJob.flatMap { (job, changes) -> endings.faultsOf(job, changes).map { broken(it, job) } } +
                calledOff
                    .filter { it.answer.lowercase() == CANCELLED.said && history.byJob[it.job]?.end?.kind != CANCELLED }
                    .map { broken("was called off, and the answer was that it is cancelled; it is not", it.job) } +
                (history.rest.archived.keys + history.rest.jobs - history.byJob.keys)
                    .map { broken("exists, and nobody enqueued it", it) } +
                CommittedOffers(history).faults().map { (what, job) -> broken(what, job) }
        val byEnd = history.byJob.values.groupingBy { it.end?.kind }.eachCount()
        val figures = byEnd.mapKeys { (kind, _) -> kind?.name?.lowercase() ?: "unfinished" }.mapValues { "${it.value}" }
        return Finding(broken, figures = mapOf("jobs" to "${history.byJob.size}") + figures)
    }

    private class Endings(history: History, private val calledOff: Set<Long>) {
        private val unfinished = history.rest.jobs.toSet()
        private val archived = history.rest.archived

        fun faultsOf(job: Long, changes: List<Change>): List<String> = buildList {
            val deed = Deed.of(changes.enqueued?.name)
            val allowed = deed?.endings ?: ORDINARY
            val end = changes.end
            if (end == null) {
                if (job !in unfinished) {
                    add("is lost: it has not ended, and it is not there")
                } else if (deed?.mayStay != true) {
                    add("has not ended, although all is drained")
                }
            } else if (end.kind == CANCELLED) {
                if (job !in calledOff) add("is cancelled, and nobody called it off")
            } else if (end.kind !in allowed) {
                add("is ${end.kind.said}, which a job \"${deed?.title}\" may not be")
            }
            if (end != null && job in unfinished) add("has ended as ${end.kind.said}, and its row is still there")
            val found = archived[job].orEmpty()
            val expected = listOfNotNull(end?.kind?.said)
            if (found != expected) add("is archived as $found instead of $expected")
        }
    }

    private companion object {
        val ORDINARY = setOf(COMPLETED, DISCARDED)

        val Change.Kind.said: String get() = name.lowercase()
    }
}
