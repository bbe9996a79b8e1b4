package simulation

import chaos.check.Violation
import kotlin.time.Duration
import kotlin.time.DurationUnit

/** How long after the last fault everything must be over. */
val Scenario.recovery: Duration get() = lease * 60

/** What only a virtual clock can tell: that all ends in time, and that nobody spins. */
fun liveness(scenario: Scenario, ending: Ending): List<Violation> = buildList {
    if (ending.drainedAfter == null) {
        val what = "${ending.unfinished.size} jobs are not over ${scenario.recovery} after the last fault"
        add(Violation("L1", what, ending.unfinished.firstOrNull()?.value))
    }
    val calls = ending.callsPerSecond / scenario.nodes
    if (calls > MOST_CALLS) add(Violation("L2", "each worker asks the store $calls times a second"))
    ending.defects.forEach { add(Violation("L3", "a worker was ended by $it")) }
    if (ending.stuck.isNotEmpty()) add(Violation("L4", "${ending.stuck} do not stop"))
}

val Ending.callsPerSecond: Double get() = calls / lasted.toDouble(DurationUnit.SECONDS)

/** Most of it are two questions with each poll, every 200 ms: 61 in the busiest of 2,000 seeds. */
private const val MOST_CALLS = 65
