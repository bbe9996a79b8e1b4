package simulation

import io.kotest.assertions.fail
import io.kotest.core.spec.style.FunSpec
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import kittiwake.KittiwakeSpi
import kittiwake.postgres.Kittiwake
import kittiwake.testing.InMemoryJobStore
import kotlinx.coroutines.delay
import kotlinx.coroutines.test.TestCoroutineScheduler
import kotlin.random.Random
import kotlin.time.Duration.Companion.hours
import kotlin.time.TimeSource

/**
 * The simulation proves as much as its store is like PostgreSQL. So both take the same random steps, and must give the
 * same answers.
 */
@OptIn(KittiwakeSpi::class)
class DifferentialSpec :
    FunSpec({
        val server =
            lazy {
                EmbeddedPostgres
                    .builder()
                    .setServerConfig("fsync", "off")
                    .setServerConfig("synchronous_commit", "off")
                    .start()
            }
        afterSpec { if (server.isInitialized()) server.value.close() }

        test("the store in memory answers as PostgreSQL does, whatever is asked") {
            val first = System.getenv("KITTIWAKE_SEED")?.toLong() ?: 1
            val count = System.getenv("KITTIWAKE_SEEDS")?.toLong() ?: SEQUENCES
            val kittiwake = Kittiwake.connect(server.value.postgresDatabase) { schema = "differential" }
            kittiwake.migrate()
            kittiwake.use {
                val real = Reality(server.value.postgresDatabase, it)
                delay(Step.A_MOMENT)
                val began = TimeSource.Monotonic.markNow()
                for (seed in first..<first + count) {
                    val dice = Random(seed)
                    val steps = List(STEPS) { Step.random(dice) }
                    real.difference(steps)?.let { fail("seed $seed:\n" + told(real, smallest(real, steps))) }
                }
                println("$count sequences in ${began.elapsedNow()}")
            }
        }
    }) {
    private companion object {
        const val SEQUENCES = 300L
        const val STEPS = 40
    }
}

/** Where two stores first differ: after so many steps, and how. */
class Difference(val after: Int, val memory: String, val postgres: String)

private suspend fun smallest(real: Reality, steps: List<Step>): List<Step> {
    val needed = steps.take(real.difference(steps)?.after ?: return steps)
    for (i in needed.indices) {
        val fewer = needed.filterIndexed { j, _ -> i != j }
        if (real.difference(fewer) != null) return smallest(real, fewer)
    }
    return needed
}

private suspend fun told(real: Reality, steps: List<Step>): String {
    val difference = real.difference(steps) ?: return "It does not differ any more"
    return steps.joinToString("\n") + "\nin memory:  ${difference.memory}\nPostgreSQL: ${difference.postgres}"
}

/** A schema on a real server, emptied for every trial. */
@OptIn(KittiwakeSpi::class)
class Reality(private val database: javax.sql.DataSource, private val kittiwake: Kittiwake) {
    suspend fun difference(steps: List<Step>): Difference? {
        execute(EMPTY)
        val clock = TestCoroutineScheduler()
        val began = TimeSource.Monotonic.markNow()
        val memory = Trial(InMemoryJobStore(clock.timeSource)) { clock.advanceTimeBy(1.hours) }
        val postgres = Trial(kittiwake.store) { execute(AN_HOUR_PASSES) }
        for ((i, step) in steps.withIndex()) {
            val said = memory.take(step)
            val truth = postgres.take(step)
            if (said != truth) return Difference(i + 1, said, truth).takeIf { began.elapsedNow() < Step.A_MOMENT }
        }
        val said = memory.all()
        val truth = postgres.all()
        val at = said.indices.firstOrNull { said[it] != truth[it] } ?: return null
        return Difference(steps.size, said[at], truth[at]).takeIf { began.elapsedNow() < Step.A_MOMENT }
    }

    private fun execute(sql: String) {
        database.connection.use { connection -> connection.createStatement().use { it.execute(sql) } }
    }

    private companion object {
        val EMPTY =
            listOf("job", "ready", "scheduled", "worker", "lease", "attempt", "archive")
                .joinToString("") { "delete from differential.$it;" } +
                "update differential.upkeep_turn set next_at = '-infinity';"

        val AN_HOUR_PASSES = listOf("scheduled.run_at", "worker.seen_at", "worker.ended_at", "upkeep_turn.next_at")
            .joinToString("") {
                val (table, column) = it.split('.')
                "update differential.$table set $column = $column - interval '1 hour';"
            }
    }
}
