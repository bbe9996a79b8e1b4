package simulation

import chaos.check.NotVacuous
import chaos.history.Entry
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.time.Duration

/** What many seeds have come to: each is worked by one thread, and as many at a time as there are processors. */
class Sums {
    /** How often each defence was seen at work. */
    val seen = sortedMapOf<String, Int>()

    /** Seeds in which something was promised and not kept; a few are enough. */
    val broken = mutableListOf<Run>()
    private var executions = 0
    private var slowest = Duration.ZERO
    private var busiest = 0.0

    private fun add(run: Run) = synchronized(this) {
        for ((what, times) in NotVacuous().examine(run.history).figures) {
            if (what !in NOT_SIMULATED) seen.merge(what, times.toInt(), Int::plus)
        }
        seen.merge("a job claimed ahead that was given back", run.ending.givenBack, Int::plus)
        executions += run.history.entries<Entry.Began>().size
        slowest = maxOf(slowest, run.ending.drainedAfter ?: Duration.ZERO)
        busiest = maxOf(busiest, run.callsPerSecond)
        if (run.isBroken) broken += run
    }

    val brokenSeeds: String
        get() = broken.joinToString("\n") { run ->
            "seed ${run.scenario.seed}: ${run.violations.map { it.check }.distinct()}"
        }

    override fun toString(): String = "$executions executions, all over at most $slowest after the last fault, " +
        "at most ${"%.1f".format(busiest)} calls per worker and second, $seen"

    companion object {
        /** What needs a transaction of the user's, or a name that nobody knows. */
        private val NOT_SIMULATED = setOf("bank", "chain", "abusive", "unknown").map { "a job \"$it\"" }.toSet()

        private const val A_FEW = 5

        suspend fun over(seeds: Iterable<Long>): Sums {
            val sums = Sums()
            val left = ConcurrentLinkedQueue(seeds.toList())
            coroutineScope {
                List(Runtime.getRuntime().availableProcessors()) {
                    async(Dispatchers.Default) {
                        while (sums.broken.size < A_FEW) sums.add(simulate(Scenario.of(left.poll() ?: break)))
                    }
                }.awaitAll()
            }
            return sums
        }
    }
}
