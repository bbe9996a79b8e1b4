package chaos.check

import chaos.history.Change.Kind.COMPLETED
import chaos.history.Effect
import chaos.history.History
import chaos.work.Deed

/**
 * K2: what a transactional handler writes is there exactly if it completed its job.
 *
 * An [abusive][Deed.ABUSIVE] handler may have committed what it wrote *before* the abuse by its own hand; what it wrote
 * *after* must be gone, and the job is completed by an attempt that is *done*.
 */
class EffectsOnce : Check {
    override val id = "K2"
    override val guards = listOf("G6", "G8")
    override val claim = "A completed transactional job has its effects once, any other has none"

    override fun examine(history: History): Finding {
        val effects = history.effects.groupBy { it.job }
        val claims = history.claims()
        val broken =
            history.byJob.flatMap { (job, changes) ->
                val completing = claims.getValue(job).lastOrNull { it.over?.kind == COMPLETED }
                faultsOf(Deed.of(changes.enqueued?.name), completing, effects[job].orEmpty()).map { broken(it, job) }
            } + (effects.keys - history.byJob.keys).map { broken("has an effect and was never enqueued", it) } +
                Chains(history, effects).faults().map { (what, job) -> broken(what, job) } + balance(history)
        return Finding(broken, figures = mapOf("effects" to "${history.effects.size}"))
    }

    private fun faultsOf(deed: Deed?, completing: Claim?, effects: List<Effect>): List<String> {
        if (deed?.isTransactional != true) return emptyList()
        if (deed == Deed.ABUSIVE) return abusive(completing, effects)
        val expected = if (completing == null) 0 else 1
        if (effects.size != expected) {
            val end = if (completing == null) "not completed" else "completed"
            return listOf("is $end, with ${effects.size} effects $effects")
        }
        return effects.filter { it.lease != completing?.lease }.map { "is completed by $completing, with effect $it" }
    }

    private fun abusive(completing: Claim?, effects: List<Effect>): List<String> = buildList {
        val after = effects.filter { it.what == "after" }
        if (after.isNotEmpty()) add("has an effect from after its transaction was broken: $after")
        val done = effects.filter { it.what == "done" }
        if (completing == null) {
            if (done.isNotEmpty()) add("is not completed, with the effect $done")
        } else {
            if (done.map { it.lease } !=
                listOf(completing.lease)
            ) {
                add("is completed by $completing, with \"done\" $done")
            }
            if (effects.none { it.lease == completing.lease && it.what == "before" }) add("lost its effect \"before\"")
        }
        val twice = effects.groupBy { it.lease to it.what }.filterValues { it.size > 1 }
        twice.values.forEach { add("has one effect more than once: $it") }
    }

    private fun balance(history: History): List<Violation> {
        val rest = history.rest
        if (rest.balance == rest.balanceAtFirst) return emptyList()
        return listOf(broken("the bank holds ${rest.balance}; at first it held ${rest.balanceAtFirst}"))
    }
}
