package chaos.check

import chaos.history.Change.Kind.CANCELLED
import chaos.history.Change.Kind.DISCARDED
import chaos.history.Change.Kind.RESCUED
import chaos.history.Entry.Settled
import chaos.history.Entry.Told
import chaos.history.History
import chaos.history.LifeChange
import chaos.history.Outcome
import chaos.work.Deed

/** K15: what was to go wrong did go wrong, and everything that is promised was put to the test. */
class NotVacuous : Check {
    override val id = "K15"
    override val guards = emptyList<String>()
    override val claim = "Every fault was injected and struck, and every defence was seen at work"

    override fun examine(history: History): Finding {
        val faults = history.faults.groupBy { it.fault.kind }
        val planned = history.settings.planned + faults.keys
        val idle = planned.filter { kind -> faults[kind].orEmpty().none { it.strikes > 0 } }
        val limits = history.faults.filter { it.note?.contains(LIMIT) == true }.groupBy { it.fault.kind }
        val seen = seen(history)
        return Finding(
            inconclusive =
                (idle - limits.keys).map { kind ->
                    val notes = faults[kind].orEmpty().mapNotNull { it.note }.distinct()
                    "${kind.id}, \"${kind.says}\", never struck${notes.joinToString().let {
                        if (it.isEmpty()) it else " ($it)"
                    }}"
                } +
                    seen.filterValues { it == 0 }.keys.map { "not seen: $it" },
            figures = seen.mapValues { "${it.value}" },
            notes = limits.map { (kind, met) ->
                val done = if (kind in idle) "NOT DONE" else "NOT DONE AS IT SHOULD BE"
                "$done: ${kind.id}, \"${kind.says}\": ${met.mapNotNull { it.note }.distinct().joinToString()}"
            },
        )
    }

    private fun seen(history: History): Map<String, Int> {
        val told = history.entries<Told>().groupingBy { it.event }.eachCount()
        val rows = history.businesses.mapTo(mutableSetOf()) { it.id }
        val (there, not) =
            history.entries<Settled>().filter { it.outcome == Outcome.UNKNOWN }.partition { it.business in rows }
        val names = history.byJob.values.groupBy { Deed.of(it.enqueued?.name) }
        val ends = history.changes.groupingBy { it.kind }.eachCount()
        return mapOf(
            "a rescue" to (ends[RESCUED] ?: 0),
            "a write that was fenced off" to (told["LeaseLost"] ?: 0),
            "a commit of unknown outcome that had committed" to there.size,
            "a commit of unknown outcome that had not" to not.size,
            "a lease that ran out and was revived" to history.revived(),
            "a poisonous job that was discarded" to names[Deed.POISON].orEmpty().count { it.end?.kind == DISCARDED },
            "a job that a stopping worker released" to (told["Released"] ?: 0),
            "a job that was cancelled" to (ends[CANCELLED] ?: 0),
        ) + Deed.entries.associate { "a job \"${it.title}\"" to names[it].orEmpty().size }
    }

    private fun History.revived() =
        lives.count { it.kind == LifeChange.Kind.BEAT && it.at - it.lastSeen > settings.lease }

    private companion object {
        /** How the note of a fault says that it is not the fault that failed. */
        const val LIMIT = "on this machine"
    }
}
