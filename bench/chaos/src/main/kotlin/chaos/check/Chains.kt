package chaos.check

import chaos.history.Change
import chaos.history.Change.Kind.COMPLETED
import chaos.history.Change.Kind.ENQUEUED
import chaos.history.Effect
import chaos.history.History
import chaos.work.Deed

/** Jobs that jobs enqueued, in the transactions that completed those: all of them, or none. */
internal class Chains(history: History, private val effects: Map<Long, List<Effect>>) {
    private val jobs = history.byJob
    private val children = history.changes.filter { it.kind == ENQUEUED && it.parent != null }.groupBy { it.parent!! }

    fun faults(): List<Pair<String, Long>> =
        jobs.filterValues { it.enqueued?.name == Deed.CHAIN.title }.flatMap { (job, changes) ->
            faultsOf(job, changes).map { it to job }
        } +
            (children.keys - jobs.keys).map {
                "was never enqueued, and has ${children.getValue(it).size} children" to it
            }

    private fun faultsOf(job: Long, changes: List<Change>): List<String> = buildList {
        val isCompleted = changes.end?.kind == COMPLETED
        val found = children[job].orEmpty().size
        val left = if (isCompleted) generationsLeft(job) else 0
        val expected =
            when (left) {
                null -> setOf(0, Deed.CHAIN_FAN)
                0 -> setOf(0)
                else -> setOf(Deed.CHAIN_FAN)
            }
        if (found !in expected) {
            val end = if (isCompleted) "completed" else "not completed"
            add("is $end, with $found children instead of ${expected.joinToString(" or ")}")
        }
        val parents = changes.enqueued?.parent?.let { generationsLeft(it) }
        if (left != null && parents != null && isCompleted && left != parents - 1) {
            add("has $left generations to come, its parent $parents")
        }
    }

    /** As the handler noted it: "reached 2" has children and grandchildren. */
    private fun generationsLeft(job: Long): Int? =
        effects[job]?.firstOrNull()?.what?.substringAfterLast(' ')?.toIntOrNull()
}
