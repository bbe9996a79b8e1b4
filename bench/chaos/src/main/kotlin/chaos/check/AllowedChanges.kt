package chaos.check

import chaos.history.Change
import chaos.history.Change.Kind.CANCELLED
import chaos.history.Change.Kind.CLAIMED
import chaos.history.Change.Kind.COMPLETED
import chaos.history.Change.Kind.DISCARDED
import chaos.history.Change.Kind.ENQUEUED
import chaos.history.Change.Kind.FAILED
import chaos.history.Change.Kind.PUT_BACK
import chaos.history.Change.Kind.RESCUED
import chaos.history.Entry.Began
import chaos.history.History

/**
 * K5: a job goes only where it may, and its attempts are counted as it goes.
 *
 * ```
 * ENQUEUED ──▶ waiting ──CLAIMED──▶ running ──▶ COMPLETED, DISCARDED, CANCELLED
 *                │ ▲                   │
 *                │ └─ FAILED, RESCUED, PUT_BACK
 *                └──▶ CANCELLED
 * ```
 */
class AllowedChanges : Check {
    override val id = "K5"
    override val guards = listOf("G1", "G11")
    override val claim = "A job takes only allowed steps, none after its end, and no more attempts than it has"

    override fun examine(history: History): Finding {
        val starts = history.entries<Began>().groupingBy { it.job }.eachCount()
        val broken =
            history.byJob.flatMap { (job, changes) ->
                (Steps(changes).faults() + tooManyStarts(changes, starts[job] ?: 0)).map { broken(it, job) }
            }
        val changes = history.changes.groupingBy { it.kind }.eachCount()
        val handedOver = history.byJob.values.count(::isHandedOver)
        return Finding(
            broken,
            figures =
                changes.map { (kind, n) -> kind.name.lowercase() to "$n" }.toMap() + ("handed over" to "$handedOver"),
        )
    }

    private fun tooManyStarts(changes: List<Change>, starts: Int): List<String> {
        val attempts = changes.enqueued?.maxAttempts ?: 0
        val uncounted = changes.count { it.kind == PUT_BACK }
        if (attempts == 0 || starts <= attempts + uncounted) return emptyList()
        return listOf("was started $starts times: it has $attempts attempts, and $uncounted were not counted")
    }

    /** Claimed by the transaction that enqueued it. */
    private fun isHandedOver(changes: List<Change>): Boolean {
        val claimed = changes.getOrNull(1)?.takeIf { it.kind == CLAIMED } ?: return false
        return claimed.committedAt == changes.first().committedAt
    }

    private class Steps(private val changes: List<Change>) {
        private val faults = mutableListOf<String>()
        private val attempts = changes.enqueued?.maxAttempts?.takeIf { it > 0 } ?: Int.MAX_VALUE
        private var counted = 0
        private var state = State.UNBORN

        fun faults(): List<String> {
            for (change in changes) {
                if (state !in allowed.getValue(change.kind)) faults += "was $state when it was ${change.kind}"
                state = if (state == State.ENDED) state else after(change.kind)
                count(change)
            }
            return faults
        }

        private fun count(change: Change) {
            val expected =
                when (change.kind) {
                    ENQUEUED -> 0
                    CLAIMED -> counted + 1
                    PUT_BACK -> counted - 1
                    FAILED, RESCUED, COMPLETED, DISCARDED -> counted
                    CANCELLED -> return
                }
            if (change.attempt != expected) {
                faults += "says attempt ${change.attempt} instead of $expected when it was ${change.kind}"
            }
            if (change.kind == CLAIMED && change.attempt > attempts) {
                faults += "was claimed for attempt ${change.attempt} of $attempts"
            }
            counted = change.attempt
        }
    }

    private enum class State { UNBORN, WAITING, RUNNING, ENDED }

    private companion object {
        val allowed: Map<Change.Kind, Set<State>> = Change.Kind.entries.associateWith { kind ->
            when (kind) {
                ENQUEUED -> setOf(State.UNBORN)
                CLAIMED -> setOf(State.WAITING)
                CANCELLED -> setOf(State.WAITING, State.RUNNING)
                else -> setOf(State.RUNNING)
            }
        }

        fun after(kind: Change.Kind): State = when {
            kind.isEnd -> State.ENDED
            kind == CLAIMED -> State.RUNNING
            else -> State.WAITING
        }
    }
}
