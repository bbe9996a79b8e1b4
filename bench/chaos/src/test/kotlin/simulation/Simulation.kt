package simulation

import chaos.check.Violation
import chaos.history.History
import kittiwake.KittiwakeSpi

/** What became of one seed. */
class Run(val scenario: Scenario, val ending: Ending, val history: History, val violations: List<Violation>, val story: String) {
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
        violations.take(SHOWN).forEach { appendLine("${it.check}: ${it.what}" + it.job?.let { job -> " (job $job)" }.orEmpty()) }
        violations.firstNotNullOfOrNull { it.job }?.let { appendLine("The story of job $it:\n${storyOf(it)}") }
        append("Again: KITTIWAKE_SEED=${scenario.seed} KITTIWAKE_SEEDS=1 make spec in=bench/chaos named=SimulationSpec")
    }

    private companion object {
        const val SHOWN = 10
    }
}

/** Lives through one scenario and examines it. The same scenario is the same to the last byte of its story. */
@OptIn(KittiwakeSpi::class)
fun simulate(scenario: Scenario, isTold: Boolean = false, bug: Bug? = null): Run {
    val cluster = Cluster(scenario, isTold, bug)
    val ending = cluster.live()
    val history = cluster.history()
    val violations = checksOfSimulation.flatMap { it.examine(history).violations } + liveness(scenario, ending)
    return Run(scenario, ending, history, violations, cluster.world.told)
}

/** The same failure with as few faults as it takes. */
@OptIn(KittiwakeSpi::class)
fun shrink(broken: Run, bug: Bug? = null): Run {
    val checks = broken.violations.map { it.check }.toSet()
    for (fault in broken.scenario.plan) {
        val run = simulate(broken.scenario.without(fault), bug = bug)
        if (run.violations.any { it.check in checks }) return shrink(run, bug)
    }
    return broken
}
