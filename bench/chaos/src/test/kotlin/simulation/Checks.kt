package simulation

import chaos.check.Check

/** The checks of the chaos harness that a simulated history can answer. */
val checksOfSimulation: List<Check> = emptyList()
