package chaos.check

import chaos.plan.FaultKind
import chaos.work.Deed
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.maps.shouldContain
import io.kotest.matchers.maps.shouldContainAll
import io.kotest.matchers.shouldBe

class ExplainedDuplicatesSpec :
    FunSpec({
        val check = ExplainedDuplicates()

        fun ToldHistory.begun(deed: Deed = Deed.EXTERNAL, by: String = "ana") {
            enqueued(1, deed)
            claimed(1, by)
            began(1)
        }

        fun ToldHistory.again(by: String = "ben") {
            claimed(1, by)
            began(1)
            over(1)
            completed(1)
        }

        fun causeOf(tell: ToldHistory.() -> Unit): Map<String, String> {
            val told = history(tell)
            check accepts told
            return check.examine(told).figures
        }

        test("one execution is no duplicate") {
            causeOf { done(1) } shouldBe mapOf("executions" to "1", "duplicates" to "0")
        }
        test("a failed attempt is a cause") {
            val figures = causeOf {
                begun()
                over(1, thrown = "IllegalStateException")
                failed(1)
                again()
            }
            figures shouldContainAll
                mapOf("executions" to "2", "duplicates" to "1", "duplicates: the attempt failed" to "1")
        }
        test("a job that was put off, or released, is a cause") {
            causeOf {
                begun()
                over(1)
                putBack(1)
                again()
            } shouldContain ("duplicates: given back" to "1")
        }
        test("the death of a process is a cause") {
            causeOf {
                started("ana")
                begun()
                fault(FaultKind.KILL, "ana")
                started("ana")
                gaveUp("ana")
                rescued(1)
                again()
            } shouldContain ("duplicates: its process died" to "1")
        }
        test("a lost lease is a cause, and has one of its own") {
            causeOf {
                begun()
                fault(FaultKind.HOLD_SNAPSHOT)
                fault(FaultKind.CRASH_SERVER)
                fault(FaultKind.PAUSE, "ana")
                gaveUp("ana")
                rescued(1)
                again()
            } shouldContain ("duplicates: lease lost: a worker process stands still and wakes again" to "1")
        }
        test("a lease lost without a fault is one that a busy machine took") {
            causeOf {
                begun()
                fault(FaultKind.PAUSE, "somebody else")
                gaveUp("ana")
                rescued(1)
                again()
            } shouldContain ("duplicates: lease lost" to "1")
        }
        test("a transaction that could not be committed is a cause") {
            causeOf {
                begun(Deed.BANK)
                over(1)
                failed(1)
                again()
            } shouldContain ("duplicates: its transaction was not committed" to "1")
        }
        test("two at a time after a rescue are explained") {
            causeOf {
                begun()
                val first = leaseOf(1)
                gaveUp("ana")
                rescued(1)
                claimed(1, by = "ben")
                began(1)
                over(1, lease = first)
                over(1)
                completed(1)
            }
        }

        test("a failure of a handler that returned") {
            check.catches("although its handler returned", 1) {
                begun()
                over(1)
                failed(1)
                again()
            }
        }
        test("two executions of one claim") {
            check.catches("began twice in lease", 1) {
                begun()
                began(1)
                over(1)
                completed(1)
            }
        }
        test("an execution after the end") {
            check.catches("ran again after attempt 1", 1) {
                begun()
                over(1)
                completed(1)
                again()
            }
        }
        test("an execution without a return in between") {
            check.catches("which ended as null", 1) {
                begun()
                over(1)
                again()
            }
        }
        test("an execution of what nobody claimed") {
            val told = history {
                begun()
                over(1)
                completed(1)
            }
            val unclaimed = told.with(told.changes.filter { it.lease == null })
            check.examine(unclaimed).violations.single().what shouldBe "began in lease 101, in which nobody claimed it"
        }
        test("two at a time without a rescue") {
            check.catches("without a rescue", 1) {
                begun()
                val first = leaseOf(1)
                putBack(1)
                claimed(1, by = "ben")
                began(1)
                over(1, lease = first)
                over(1)
                completed(1)
            }
        }
    })
