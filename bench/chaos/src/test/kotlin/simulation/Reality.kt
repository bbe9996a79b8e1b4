package simulation

import kittiwake.KittiwakeSpi
import kittiwake.postgres.Kittiwake
import kittiwake.testing.InMemoryJobStore
import kotlinx.coroutines.test.TestCoroutineScheduler
import javax.sql.DataSource
import kotlin.time.Duration.Companion.hours
import kotlin.time.TimeSource

/** A schema on a real server, emptied for every trial: what the store in memory is measured by. */
@OptIn(KittiwakeSpi::class)
class Reality(private val database: DataSource, private val kittiwake: Kittiwake) {
    /** Where the two stores first differ: after so many steps, and how. */
    class Difference(val after: Int, val memory: String, val postgres: String)

    /** Sequences that differed, but took so long that time itself may have made the difference. */
    var tooSlow = 0
        private set

    suspend fun difference(steps: List<Step>): Difference? {
        execute(EMPTY)
        val clock = TestCoroutineScheduler()
        val began = TimeSource.Monotonic.markNow()
        val memory = Trial(InMemoryJobStore(clock.timeSource)) { clock.advanceTimeBy(1.hours) }
        val postgres = Trial(kittiwake.store) { execute(AN_HOUR_PASSES) }
        val difference = compare(steps, memory, postgres) ?: return null
        if (began.elapsedNow() < Step.A_MOMENT) return difference
        tooSlow++
        return null
    }

    private suspend fun compare(steps: List<Step>, memory: Trial, postgres: Trial): Difference? {
        for ((i, step) in steps.withIndex()) {
            val said = memory.take(step)
            val truth = postgres.take(step)
            if (said != truth) return Difference(i + 1, said, truth)
        }
        val said = memory.all()
        val truth = postgres.all()
        val first = said.indices.firstOrNull { said[it] != truth[it] } ?: return null
        return Difference(steps.size, said[first], truth[first])
    }

    /** As few steps as it takes, and what the two say. */
    suspend fun explain(steps: List<Step>): String {
        val fewest = smallest(steps)
        val difference = difference(fewest) ?: return "It does not differ any more"
        return (fewest + "in memory:  ${difference.memory}" + "PostgreSQL: ${difference.postgres}").joinToString("\n")
    }

    private suspend fun smallest(steps: List<Step>): List<Step> {
        val needed = steps.take(difference(steps)?.after ?: return steps)
        for (i in needed.indices) {
            val fewer = needed.filterIndexed { j, _ -> i != j }
            if (difference(fewer) != null) return smallest(fewer)
        }
        return needed
    }

    private fun execute(sql: String) {
        database.connection.use { connection -> connection.createStatement().use { it.execute(sql) } }
    }

    companion object {
        const val SCHEMA = "differential"

        private val EMPTY =
            listOf("job", "ready", "scheduled", "worker", "lease", "attempt", "archive")
                .joinToString("") { "delete from $SCHEMA.$it;" } +
                "update $SCHEMA.upkeep_turn set next_at = '-infinity';"

        private val AN_HOUR_PASSES =
            listOf("scheduled" to "run_at", "worker" to "seen_at", "worker" to "ended_at", "upkeep_turn" to "next_at")
                .joinToString("") { (table, column) ->
                    "update $SCHEMA.$table set $column = $column - interval '1 hour';"
                }
    }
}
