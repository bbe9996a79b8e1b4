package simulation

import io.kotest.assertions.fail
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.comparables.shouldBeLessThan
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import kittiwake.KittiwakeSpi
import kittiwake.postgres.Kittiwake
import kotlinx.coroutines.delay
import java.lang.ProcessBuilder.Redirect.DISCARD
import kotlin.random.Random
import kotlin.time.TimeSource

/**
 * The simulation proves as much as its store is like PostgreSQL. So both take the same random steps, and must give the
 * same answers.
 */
@OptIn(KittiwakeSpi::class)
class DifferentialSpec :
    FunSpec({
        withoutWarnings()

        val server =
            lazy {
                EmbeddedPostgres
                    .builder()
                    .setServerConfig("fsync", "off")
                    .setServerConfig("synchronous_commit", "off")
                    .setOutputRedirector(DISCARD)
                    .setErrorRedirector(DISCARD)
                    .start()
            }
        afterSpec { if (server.isInitialized()) server.value.close() }

        test("the store in memory answers as PostgreSQL does, whatever is asked") {
            val first = System.getenv("KITTIWAKE_SEED")?.toLong() ?: 1
            val count = System.getenv("KITTIWAKE_SEEDS")?.toInt() ?: SEQUENCES
            val kittiwake = Kittiwake.connect(server.value.postgresDatabase) { schema = Reality.SCHEMA }
            kittiwake.migrate()
            kittiwake.use {
                val reality = Reality(server.value.postgresDatabase, it)
                // A server that has just started lets everybody speak first.
                delay(Step.A_MOMENT)
                val began = TimeSource.Monotonic.markNow()
                for (seed in first..<first + count) {
                    val dice = Random(seed)
                    val steps = List(STEPS) { Step.random(dice) }
                    reality.difference(steps)?.let { fail("Sequence $seed:\n${reality.explain(steps)}") }
                }
                println("$count sequences in ${began.elapsedNow()}, ${reality.tooSlow} of them too slow to count")
                reality.tooSlow shouldBeLessThan (count + 9) / 10
            }
        }
    }) {
    private companion object {
        const val SEQUENCES = 250
        const val STEPS = 40
    }
}
