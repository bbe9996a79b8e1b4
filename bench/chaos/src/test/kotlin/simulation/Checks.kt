package simulation

import chaos.check.Check
import chaos.check.checks

/** The checks of the chaos harness that a history without a server, connections and logs can answer. */
val checksOfSimulation: List<Check> = checks.filter { it.id in setOf("K1", "K3", "K4", "K5", "K6", "K8", "K11") }
