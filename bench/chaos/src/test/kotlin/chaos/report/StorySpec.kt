package chaos.report

import chaos.check.history
import chaos.history.Outcome.COMMITTED
import chaos.plan.FaultKind
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain

class StorySpec :
    FunSpec({
        test("tells a job's life by time, over all processes, with the faults around it") {
            val told = history {
                offered(5)
                enqueued(1)
                settled(5, COMMITTED, 1)
                done(2)
                claimed(1, by = "ana")
                began(1)
                fault(FaultKind.PAUSE, "ana")
                gaveUp("ana")
                rescued(1)
                told("ana", 1, "LeaseLost")
                claimed(1, by = "ben")
                completed(1)
            }
            val lines = Story(told, 1).lines()
            lines.first() shouldContain "Job 1 \"external\""
            val words =
                listOf(
                    "offered 1 with business row 5", "ENQUEUED", "COMMITTED business row 5", "CLAIMED attempt 1",
                    "began attempt 1", "N2 PAUSE ana begins", "GIVEN_UP worker ana", "RESCUED attempt 1",
                    "told LeaseLost", "CLAIMED attempt 2", "COMPLETED attempt 2", "N2 PAUSE ana ends",
                )
            lines.drop(1).dropLast(1) shouldHaveSize words.size
            lines.drop(1).zip(words).forEach { (line, word) -> line shouldContain word }
            lines.last() shouldBe "In the end: archived as completed"
        }
        test("says that it knows nothing") {
            Story(history {}, 9).lines() shouldBe listOf("Nothing is known of job 9")
        }
    })
