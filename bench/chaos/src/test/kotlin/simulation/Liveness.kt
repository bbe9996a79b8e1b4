package simulation

import chaos.check.Violation
import kotlin.time.Duration
import kotlin.time.DurationUnit

/** How long after the last fault everything must be over. */
val Scenario.recovery: Duration get() = lease * 60

/** What only a virtual clock can tell: that all ends in time, and that nobody spins. */
fun liveness(scenario: Scenario, ending: Ending): List<Violation> = buildList {
    if (ending.drainedAfter == null) {
        val first = ending.unfinished.first()
        add(Violation("L1", "${ending.unfinished.size} jobs are not over ${scenario.recovery} after the last fault", first.value))
    }
    val perSecond = ending.calls / ending.lasted.toDouble(DurationUnit.SECONDS) / scenario.nodes
    if (perSecond > MOST_CALLS) add(Violation("L2", "each worker asks the store $perSecond times a second"))
    ending.defects.forEach { add(Violation("L3", "a worker was ended by $it")) }
    if (ending.stuck.isNotEmpty()) add(Violation("L4", "${ending.stuck} do not stop"))
}

private const val MOST_CALLS = 40
