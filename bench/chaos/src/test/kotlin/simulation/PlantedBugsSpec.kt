package simulation

import io.kotest.assertions.withClue
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.nulls.shouldNotBeNull
import kittiwake.KittiwakeSpi

/** The checks are put to the test: each bug is found out, and by the check that is there for it. */
@OptIn(KittiwakeSpi::class)
class PlantedBugsSpec :
    FunSpec({
        withoutWarnings()

        for (bug in Bug.entries) {
            test("${bug.check} finds out that ${bug.what}") {
                val caught =
                    (1L..SEEDS).firstOrNull { seed ->
                        simulate(Scenario.of(seed), bug = bug).violations.any { it.check == bug.check }
                    }
                withClue("no seed up to $SEEDS") { caught.shouldNotBeNull() }
                simulate(Scenario.of(caught!!)).violations.shouldBeEmpty()
                println("$bug caught by seed $caught")
            }
        }
    }) {
    private companion object {
        const val SEEDS = 400L
    }
}
