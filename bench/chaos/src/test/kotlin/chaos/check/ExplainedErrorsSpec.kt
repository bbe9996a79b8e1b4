package chaos.check

import chaos.history.Outcome.UNKNOWN
import chaos.plan.FaultKind
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kotlin.time.Duration.Companion.minutes

class ExplainedErrorsSpec :
    FunSpec({
        val check = ExplainedErrors()
        val gone = "org.postgresql.util.PSQLException: An I/O error < java.net.SocketTimeoutException: Read timed out"

        test("errors that a fault of that time explains") {
            check.accepts {
                logged("ana", thrown = "java.lang.IllegalStateException: as a job says")
                logged("ana", "22012")
                fault(FaultKind.CRASH_SERVER)
                logged("ana", "57P01", "08006")
                logged("ben", "08001", level = "SEVERE", thrown = gone)
                settled(1, UNKNOWN, state = "08006")
                fault(FaultKind.SQL_ERROR, "ana", detail = "P0001")
                logged("ana", "P0001")
            }
        }
        test("a rollback that meets the end of its connection, after its transaction was refused") {
            val ended = "PSQLException: FATAL: terminating connection < org.postgresql.util.PSQLException: "
            val number = "ERROR: invalid input syntax for type integer: "
            check.accepts {
                fault(FaultKind.CRASH_SERVER)
                logged("ana", "57P01", "22P02", thrown = "$ended$number\"$REFUSAL []\"")
            }
            check.catches("ana met SQLSTATE [22P02]", null) {
                fault(FaultKind.CRASH_SERVER)
                logged("ana", "57P01", "22P02", thrown = "$ended$number\"seven\"")
            }
        }
        test("an error that no fault explains") {
            check.catches("ana met SQLSTATE [08006]", null) { logged("ana", "08006") }
        }
        test("an error of a producer that no fault explains") {
            check.catches("producer-1 met SQLSTATE [40001]", null) { settled(1, UNKNOWN, state = "40001") }
        }
        test("an error that only the fault of another process would explain") {
            check.catches("ana met SQLSTATE [08006]", null) {
                fault(FaultKind.RESET, "ben")
                logged("ana", "08006")
            }
        }
        test("an error long after the fault that would explain it") {
            check.catches("ana met SQLSTATE [08006]", null) {
                fault(FaultKind.RESET, "ana")
                after(2.minutes)
                logged("ana", "08006")
            }
        }
        test("an error that only another fault would explain") {
            check.catches("ana met SQLSTATE [25006]", null) {
                fault(FaultKind.RESET, "ana")
                logged("ana", "08006", "25006")
            }
        }
        test("errors that nothing explains") {
            for (state in listOf("XX000", "23505", "42P01", "22P02")) {
                check.catches("ana met SQLSTATE [$state]", null) {
                    fault(FaultKind.SQL_ERROR, detail = state)
                    logged("ana", state)
                }
            }
        }
        test("a severe error without a fault") {
            check.catches("an error that no fault explains", null) { logged("ana", level = "SEVERE", thrown = gone) }
        }
        test("a severe error that is none of the network, in spite of a fault") {
            check.catches("an error that no fault explains", null) {
                fault(FaultKind.RESET, "ana")
                logged("ana", level = "SEVERE", thrown = "java.lang.IllegalStateException: what?")
            }
        }
        test("a defect, told as a warning") {
            check.catches("ana met a defect", null) {
                logged("ana", thrown = "x.JobException: no < java.lang.NullPointerException: null")
            }
        }
        test("a deadlock") {
            check.catches("the server broke up 2 deadlocks", null) { rest { it.copy(deadlocks = 2) } }
        }
        test("every kind of fault says what it explains") {
            FaultKind.entries.filter { explains(it, null, "XX000") } shouldBe emptyList()
        }
    })
