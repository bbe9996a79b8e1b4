package chaos.check

import chaos.history.Change.Kind
import chaos.history.Entry
import chaos.history.Entry.Began
import chaos.history.Entry.Told
import chaos.history.History
import chaos.history.LifeChange

/** K4: only who has a job writes about it; and what processes tell of what they wrote is true. */
class Fenced : Check {
    override val id = "K4"
    override val guards = listOf("G5", "G20")
    override val claim = "Every ending and return is written under the current claim, and who lost a claim had lost it"

    override fun examine(history: History): Finding {
        val claims = history.claims()
        val closed = claims.values.flatten().filter { it.over != null && it.over.kind != Kind.CANCELLED }
        val unsigned = closed.count { it.over?.lease == null && it.over?.worker == null }
        val telling = Telling(history, claims)
        val told = history.journals.flatMap { (process, entries) -> telling.faults(process, entries) }
        return Finding(
            closed.mapNotNull { claim -> foreign(claim)?.let { broken(it, claim.job) } } +
                told.map { (what, job) -> broken(what, job) },
            if (unsigned == 0) emptyList() else listOf("$unsigned endings and returns do not say whose they are"),
            telling.lost.mapKeys { "lease lost: ${it.key}" }.mapValues { "${it.value}" },
        )
    }

    private fun foreign(claim: Claim): String? {
        val over = claim.over ?: return null
        val isForeign = over.lease.differs(claim.lease) || over.worker.differs(claim.worker)
        return "was ${over.kind} in lease ${over.lease} of ${over.worker}, while it was in $claim".takeIf { isForeign }
    }

    private fun <T : Any> T?.differs(current: T?) = this != null && current != null && this != current

    /** What processes told of their attempts, compared with what became of those. */
    private class Telling(private val history: History, private val claims: Map<Long, List<Claim>>) {
        val lost = sortedMapOf<String, Int>()
        private val gone =
            history.lives
                .filter { it.kind == LifeChange.Kind.GIVEN_UP || it.kind == LifeChange.Kind.LEFT }
                .mapTo(mutableSetOf()) { it.worker }

        fun faults(process: String, entries: List<Entry>): List<Pair<String, Long>> {
            val leases =
                entries.filterIsInstance<Began>().groupBy({ it.job to it.attempt }, { it.lease })
            return entries.filterIsInstance<Told>().mapNotNull { told ->
                val own = leases[told.job to told.attempt].orEmpty()
                // Who rescues, or had claimed ahead and never begun, speaks of an attempt that its journal does not know.
                val isAny = own.isEmpty() || told.event in ofAttemptsNotBegun
                val meant =
                    claims[told.job].orEmpty().filter { it.attempt == told.attempt && (isAny || it.lease in own) }
                fault(process, told, meant)?.let { it to told.job }
            }
        }

        private fun fault(process: String, told: Told, meant: List<Claim>): String? {
            if (told.event == "LeaseLost") {
                val cause = meant.firstNotNullOfOrNull { causeOf(process, told, it) }
                if (cause != null) lost.merge(cause, 1, Int::plus)
                return "was told lost by $process, with its claim still current: $meant".takeIf { cause == null }
            }
            val kinds = written[told.event] ?: return null
            if (meant.any { it.over?.kind in kinds }) return null
            return "was told ${told.event} by $process in attempt ${told.attempt}; " +
                "it was ${meant.map { it.over?.kind ?: "still running" }}"
        }

        private fun causeOf(process: String, told: Told, claim: Claim): String? = when (claim.over?.kind) {
            Kind.RESCUED -> "rescued"
            Kind.CANCELLED -> "cancelled"
            Kind.PUT_BACK -> "given back"
            Kind.COMPLETED, Kind.FAILED, Kind.DISCARDED ->
                when {
                    claim.worker in gone && claim.over.kind == Kind.DISCARDED -> "rescued"
                    mayHaveLostTheAnswer(process, told, claim) -> "written, but the answer was lost"
                    else -> null
                }
            else -> "given up".takeIf { claim.worker in gone }
        }

        /** Without faults nothing loses an answer; a history that knows of no faults at all does not say. */
        private fun mayHaveLostTheAnswer(process: String, told: Told, claim: Claim) =
            history.faults.isEmpty() || history.faults.any { it.struck(process, claim.made.at, told.at) }
    }

    private companion object {
        /** Who gives back what it had claimed ahead may begin the same attempt later, under another claim. */
        val ofAttemptsNotBegun = setOf("Rescued", "Released", "LeaseLost")
        val written =
            mapOf(
                "Completed" to setOf(Kind.COMPLETED),
                "Failed" to setOf(Kind.FAILED),
                "Discarded" to setOf(Kind.DISCARDED),
                "Snoozed" to setOf(Kind.PUT_BACK),
                "Released" to setOf(Kind.PUT_BACK),
                "Cancelled" to setOf(Kind.CANCELLED),
                "Rescued" to setOf(Kind.RESCUED, Kind.DISCARDED),
            )
    }
}
