package chaos.check

import chaos.plan.FaultKind
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldBeUnique
import io.kotest.matchers.comparables.shouldBeLessThan
import io.kotest.matchers.shouldBe
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime

class ChecksSpec :
    FunSpec({
        test("are sixteen, each with a number of its own") {
            checks.map { it.id } shouldBe (1..16).map { "K$it" }
            checks.map { it.claim }.shouldBeUnique()
        }
        test("cope with a history that knows of jobs only") {
            val told = history {
                for (job in 1L..10L) {
                    enqueued(job, name = "of the simulation")
                    claimed(job)
                    completed(job)
                }
            }
            for (check in checks - checks.filterIsInstance<NotVacuous>().toSet()) check accepts told
        }
        test("cope with a long run") {
            val told = history {
                for (job in 1L..50_000L) done(job)
                for (n in 1..200) fault(FaultKind.RESET, "ana", note = "$n")
            }
            // A square of these numbers would take hours.
            measureTime { checks.forEach { it.examine(told).violations.shouldBeEmpty() } } shouldBeLessThan 60.seconds
        }
        test("whose feature is still to come say so") {
            checks.filter { it.examine(history {}).notes == listOf("comes with its feature") }.map { it.id } shouldBe
                listOf("K7", "K9", "K10")
        }
    })
