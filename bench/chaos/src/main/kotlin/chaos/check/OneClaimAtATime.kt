package chaos.check

import chaos.history.Change
import chaos.history.Change.Kind.CLAIMED
import chaos.history.Change.Kind.ENQUEUED
import chaos.history.Change.Kind.RESCUED
import chaos.history.History
import chaos.history.LifeChange

/** K3: nobody has what another has, and nobody is robbed who was not silent. */
class OneClaimAtATime : Check {
    override val id = "K3"
    override val guards = listOf("G4")
    override val claim = "Claims of one job never overlap, and only silent workers lose theirs"

    override fun examine(history: History): Finding {
        val gone =
            history.lives
                .filter { it.kind == LifeChange.Kind.GIVEN_UP || it.kind == LifeChange.Kind.LEFT }
                .groupBy { it.worker }
        val hasty =
            history.lives
                .filter { it.kind == LifeChange.Kind.GIVEN_UP && it.at - it.lastSeen < history.settings.lease }
                .map { broken("worker ${it.worker} was given up after ${it.at - it.lastSeen} of silence") }
        val broken = history.byJob.flatMap { (job, changes) -> faultsOf(changes, gone).map { broken(it, job) } }
        val rescued = history.changes.count { it.kind == RESCUED }
        return Finding(hasty + broken, figures = mapOf("rescues" to "$rescued"))
    }

    private fun faultsOf(changes: List<Change>, gone: Map<String, List<LifeChange>>): List<String> = buildList {
        var held: Change? = null
        for (change in changes) {
            if (change.kind == ENQUEUED) continue
            val before = held
            held = change.takeIf { it.kind == CLAIMED }
            if (change.kind == CLAIMED) {
                before?.let { add("was claimed by ${change.worker} while ${it.worker} had it in lease ${it.lease}") }
            } else if (!change.kind.isEnd && before == null) {
                add("was taken back (${change.kind}) while nobody had it")
            }
            if (change.kind != RESCUED) continue
            val silent = change.worker ?: before?.worker
            val isGone = gone[silent].orEmpty().any { it.at <= change.at }
            if (!isGone) add("was rescued from $silent, who was not given up")
        }
    }
}
