package simulation

import kittiwake.KittiwakeSpi

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
