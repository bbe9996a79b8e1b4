package simulation

import chaos.check.Violation
import chaos.history.History

/** What became of one seed. */
class Run(
    val scenario: Scenario,
    val ending: Ending,
    val history: History,
    val violations: List<Violation>,
    /** Everything that happened, line by line, if it was to be told. */
    val story: String,
) {
    val isBroken: Boolean get() = violations.isNotEmpty()

    /** By one worker. */
    val callsPerSecond: Double get() = ending.callsPerSecond / scenario.nodes

    /** Everything that was done with one job and said of it. */
    fun storyOf(job: Long): String {
        val done = history.byJob[job].orEmpty().map { it.at to "store: $it" }
        val said = history.journals.flatMap { (who, entries) ->
            entries.filter { "job=$job," in "$it" }.map { it.at to "$who: $it" }
        }
        return (done + said).sortedBy { it.first }.joinToString("\n") { (at, what) -> "  $at $what" }
    }

    override fun toString(): String = buildString {
        appendLine("$scenario")
        for (it in violations.take(SHOWN)) appendLine("${it.check}: job ${it.job ?: "-"} ${it.what}")
        violations.firstNotNullOfOrNull { it.job }?.let { appendLine("The story of job $it:\n${storyOf(it)}") }
        append("Again: KITTIWAKE_SEED=${scenario.seed} KITTIWAKE_SEEDS=1 make spec in=bench/chaos named=SimulationSpec")
    }

    private companion object {
        const val SHOWN = 10
    }
}
