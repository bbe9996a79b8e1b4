package chaos.check

import chaos.history.Outcome.COMMITTED
import chaos.history.Outcome.ROLLED_BACK
import chaos.history.Outcome.UNKNOWN
import chaos.plan.FaultKind
import chaos.work.Deed
import io.kotest.core.spec.style.FunSpec

class NothingLostSpec :
    FunSpec({
        val check = NothingLost()

        context("the endings of jobs") {
            test("are as they may be") {
                check.accepts {
                    done(1)
                    enqueued(2, Deed.POISON)
                    claimed(2)
                    discarded(2)
                    enqueued(3)
                    calledOff(3)
                    cancelled(3)
                    enqueued(4, Deed.UNKNOWN)
                    enqueued(5, name = "somebody else's")
                    claimed(5)
                    discarded(5)
                }
            }
            test("are missing") {
                check.catches("has not ended", 1) { enqueued(1) }
            }
            test("are missing, and so is the job") {
                check.catches("is lost", 1) {
                    enqueued(1)
                    rest { it.copy(jobs = emptyList()) }
                }
            }
            test("are missing in the archive") {
                check.catches("is archived as [] instead of [completed]", 1) {
                    done(1)
                    rest { it.copy(archived = emptyMap()) }
                }
            }
            test("are two") {
                check.catches("is archived as [completed, discarded]", 1) {
                    done(1)
                    rest { it.copy(archived = mapOf(1L to listOf("completed", "discarded"))) }
                }
            }
            test("leave the job behind") {
                check.catches("its row is still there", 1) {
                    done(1)
                    rest { it.copy(jobs = listOf(1)) }
                }
            }
            test("are what such a job may not be") {
                check.catches("is completed, which a job \"poison\" may not be", 1) { done(1, Deed.POISON) }
            }
            test("are cancelled by nobody") {
                check.catches("nobody called it off", 1) {
                    enqueued(1)
                    cancelled(1)
                }
            }
            test("are not cancelled, although somebody was told so") {
                check.catches("the answer was that it is cancelled", 1) {
                    done(1)
                    calledOff(1)
                }
            }
            test("are those of a job that nobody enqueued") {
                check.catches("nobody enqueued it", 9) { rest { it.copy(archived = mapOf(9L to listOf("completed"))) } }
            }
        }

        context("the transaction of an enqueue") {
            test("is all or nothing, whatever its producer knows") {
                check.accepts {
                    offered(1, jobs = 2)
                    settled(1, COMMITTED, 11, 12)
                    row(1, jobs = 2)
                    offered(2)
                    settled(2, ROLLED_BACK, 21)
                    offered(3)
                    settled(3, UNKNOWN, 31)
                    row(3)
                    offered(4)
                    settled(4, UNKNOWN, 41)
                    offered(5, jobs = 2)
                    row(5, jobs = 2)
                    offered(6, deed = Deed.KEYED, key = "k")
                    settled(6, COMMITTED, 31, isNew = listOf(false))
                    row(6)
                    listOf<Long>(11, 12, 31, 51, 52).forEach { done(it) }
                }
            }
            test("stays committed when its connection cannot be closed") {
                check.accepts {
                    offered(1)
                    settled(1, COMMITTED, 11)
                    settled(1, ROLLED_BACK, 11)
                    row(1)
                    done(11)
                }
            }
            test("was committed, and a job is lost") {
                check.catches("was committed with business row 1 and is lost", 11) {
                    offered(1)
                    settled(1, COMMITTED, 11)
                    row(1)
                }
            }
            test("was committed, and its row is lost") {
                check.catches("business row 1 was committed and is gone", null) {
                    offered(1)
                    settled(1, COMMITTED, 11)
                    done(11)
                }
            }
            test("was committed twice") {
                check.catches("committed 2 times", null) {
                    offered(1)
                    settled(1, COMMITTED, 11)
                    row(1)
                    row(1)
                    done(11)
                }
            }
            test("answered for too few jobs") {
                check.catches("answered for 1 of 2 jobs", null) {
                    offered(1, jobs = 2)
                    settled(1, COMMITTED, 11)
                    row(1, jobs = 2)
                    done(11)
                    done(12)
                }
            }
            test("was rolled back, and its job is there") {
                check.catches("is there without business row 1", 11) {
                    offered(1)
                    settled(1, ROLLED_BACK, 11)
                    done(11)
                }
            }
            test("was rolled back before a crash, after which its id was given to another") {
                check.accepts {
                    offered(1)
                    settled(1, ROLLED_BACK, 11)
                    fault(FaultKind.CRASH_SERVER)
                    offered(2)
                    done(11)
                    settled(2, COMMITTED, 11)
                    row(2)
                }
            }
            test("was rolled back, and its row is there") {
                check.catches("was rolled back and is there", null) {
                    offered(1)
                    settled(1, ROLLED_BACK, 11)
                    row(1)
                }
            }
            test("is unknown, and left a row without its job") {
                check.catches("was committed with business row 1 and is lost", 11) {
                    offered(1)
                    settled(1, UNKNOWN, 11)
                    row(1)
                }
            }
            test("is unknown, and left a job without its row") {
                check.catches("is there without business row 1", 11) {
                    offered(1)
                    settled(1, UNKNOWN, 11)
                    done(11)
                }
            }
            test("of a producer that died left fewer jobs than its row says") {
                check.catches("1 jobs \"external\" belong to no answered enqueue", 11) {
                    offered(1, jobs = 2)
                    row(1, jobs = 2)
                    done(11)
                }
            }
            test("was nobody's") {
                check.catches("have 0 to 0", 12) {
                    offered(1)
                    settled(1, COMMITTED, 11)
                    row(1)
                    done(11)
                    done(12)
                }
            }
            test("says another number of jobs than was offered") {
                check.catches("says 3 jobs, not 1", null) {
                    offered(1)
                    settled(1, COMMITTED, 11)
                    row(1, jobs = 3)
                    done(11)
                }
            }
            test("left a row that nobody offered") {
                check.catches("was offered by nobody", null) {
                    offered(1)
                    settled(1, COMMITTED, 11)
                    row(1)
                    done(11)
                    row(2)
                }
            }
        }
    })
