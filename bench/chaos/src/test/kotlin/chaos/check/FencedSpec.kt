package chaos.check

import chaos.plan.FaultKind
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.maps.shouldContain

class FencedSpec :
    FunSpec({
        val check = Fenced()

        fun ToldHistory.claimedAndBegun(by: String = "ana") {
            if (by == "ana") enqueued(1)
            claimed(1, by)
            began(1)
        }

        test("endings and returns by who has the job") {
            check.accepts {
                claimedAndBegun()
                failed(1)
                told("ana", 1, "Failed")
                claimed(1, by = "ben")
                began(1)
                completed(1)
                told("ben", 1, "Completed", attempt = 2)
            }
        }
        test("a completion in a lease that is over") {
            check.catches("was COMPLETED in lease 101", 1) {
                claimedAndBegun()
                failed(1)
                claimedAndBegun(by = "ben")
                completed(1, lease = 101)
            }
        }
        test("a completion by a worker that has it no more") {
            check.catches("of ana, while it was in attempt 2", 1) {
                claimedAndBegun()
                failed(1)
                claimedAndBegun(by = "ben")
                completed(1, by = "ana")
            }
        }
        test("a failure by a stranger") {
            check.catches("was FAILED", 1) {
                claimedAndBegun()
                failed(1, by = "ben")
            }
        }
        test("a completion that says nothing of who wrote it cannot be judged") {
            val told = history {
                claimedAndBegun()
                completed(1)
            }
            val bare = told.changes.map { if (it.kind.isEnd) it.copy(lease = null, worker = null) else it }
            check.examine(told.with(bare)).inconclusive shouldHaveSize 1
        }

        context("a lost lease") {
            test("is told for what others took") {
                val told = history {
                    claimedAndBegun()
                    gaveUp("ana")
                    rescued(1)
                    told("ana", 1, "LeaseLost")
                    claimedAndBegun(by = "ben")
                    completed(1)
                }
                check accepts told
                check.examine(told).figures shouldContain ("lease lost: rescued" to "1")
            }
            test("is told by who was given up, before the rescue") {
                check.accepts {
                    claimedAndBegun()
                    told("ana", 1, "LeaseLost")
                    gaveUp("ana")
                }
            }
            test("is told of a completion whose answer was lost") {
                val told = history {
                    claimedAndBegun()
                    fault(FaultKind.CUT_AFTER_COMMIT, "ana")
                    completed(1)
                    told("ana", 1, "LeaseLost")
                }
                check accepts told
                check.examine(told).figures shouldContain ("lease lost: written, but the answer was lost" to "1")
            }
            test("is told of a completion that nothing happened to") {
                check.catches("was told lost by ana", 1) {
                    claimedAndBegun()
                    completed(1)
                    told("ana", 1, "LeaseLost")
                    fault(FaultKind.CUT_AFTER_COMMIT, "ben")
                }
            }
            test("is told of a claim that is still current") {
                check.catches("with its claim still current", 1) {
                    claimedAndBegun()
                    told("ana", 1, "LeaseLost")
                }
            }
        }

        context("what a process tells of an attempt") {
            test("a completion that was fenced off") {
                check.catches("was told Completed by ana in attempt 1; it was [RESCUED]", 1) {
                    claimedAndBegun()
                    gaveUp("ana")
                    rescued(1)
                    told("ana", 1, "Completed")
                    claimedAndBegun(by = "ben")
                    completed(1)
                }
            }
            test("a failure of what it had completed") {
                check.catches("was told Failed by ana in attempt 1; it was [COMPLETED]", 1) {
                    claimedAndBegun()
                    completed(1)
                    told("ana", 1, "Failed")
                }
            }
            test("a release of what was claimed ahead and never begun") {
                check.accepts {
                    enqueued(1)
                    claimed(1)
                    putBack(1)
                    told("ana", 1, "Released")
                }
            }
            test("a rescue that was not") {
                check.catches("was told Rescued by ben", 1) {
                    claimedAndBegun()
                    told("ben", 1, "Rescued")
                    completed(1)
                }
            }
        }
    })
