package simulation

import io.kotest.assertions.fail
import io.kotest.assertions.withClue
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.maps.shouldBeEmpty
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kotlin.time.measureTimedValue

/** So many seeds are lived through, from this one on. */
private val FIRST = System.getenv("KITTIWAKE_SEED")?.toLong() ?: 1
private val SEEDS = System.getenv("KITTIWAKE_SEEDS")?.toInt() ?: 2_000

/** Seeds that found something when they were new: lived through again, whatever else is asked for. */
private val REGRESSIONS = listOf(6L, 15L, 34L, 67L, 386L)

@OptIn(KittiwakeSpi::class)
class SimulationSpec :
    FunSpec({
        withoutWarnings()

        test("the same seed is the same story, to the byte") {
            for (seed in FIRST..<FIRST + 5) {
                val first = simulate(Scenario.of(seed), isTold = true).story
                val second = simulate(Scenario.of(seed), isTold = true).story
                withClue({ "seed $seed parts here: ${first.lines().zip(second.lines()).find { (a, b) -> a != b }}" }) {
                    (second == first) shouldBe true
                }
            }
        }
        test("what is promised holds in every seed, whatever goes wrong") {
            val (sums, took) = measureTimedValue { Sums.over(REGRESSIONS + (FIRST..<FIRST + SEEDS)) }
            println("$SEEDS seeds in $took: $sums")
            sums.broken.minByOrNull { it.scenario.plan.size }?.let { fail("${sums.brokenSeeds}\n${shrink(it)}") }
            if (SEEDS >= ENOUGH) withClue("never seen") { sums.seen.filterValues { it == 0 }.shouldBeEmpty() }
        }
    }) {
    private companion object {
        /** With so many seeds everything has to have happened once. */
        const val ENOUGH = 500
    }
}
