package chaos.report

import chaos.check.ToldHistory
import chaos.check.history
import chaos.history.Outcome.UNKNOWN
import chaos.plan.FaultKind
import chaos.work.Deed
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kotlinx.serialization.json.Json
import kotlin.time.Duration.Companion.seconds

class ReportSpec :
    FunSpec({
        val run = RunOf(42, "e1ed001", "18.1", "25", "cafe", "make chaos seed=42")

        fun ToldHistory.someFaults() {
            done(1)
            enqueued(2)
            claimed(2, by = "ana")
            began(2)
            fault(FaultKind.KILL, "ana")
            gaveUp("ana")
            rescued(2)
            told("ana", 2, "LeaseLost")
            claimed(2, by = "ben")
            began(2)
            over(2)
            completed(2)
            beat("ben", silentFor = 3.seconds)
            enqueued(3, Deed.UNKNOWN)
            settled(1, UNKNOWN, 1)
            row(1)
            settled(2, UNKNOWN, 99)
        }

        test("counts what happened") {
            val report = Report.of(run, history { someFaults() })
            report.jobs shouldBe 3
            report.endings shouldBe mapOf("completed" to 2, "unfinished" to 1)
            report.executions shouldBe 3
            report.duplicates shouldBe mapOf("lease lost: a worker process is killed" to 1)
            report.faults shouldBe mapOf(FaultKind.KILL to FaultCount(injected = 1, observed = 1, strikes = 1))
            report.fencedWrites shouldBe 1
            report.rescues shouldBe 1
            report.revivedLeases shouldBe 1
            report.unknownCommitsThatCommitted shouldBe 1
            report.unknownCommitsThatDidNot shouldBe 1
            report.recovery.single().kind shouldBe FaultKind.KILL
            report.violations.shouldBeEmpty()
        }
        test("passes only when it is sure") {
            val vacuous = Report.of(run, history { someFaults() })
            vacuous.isPassed shouldBe false
            vacuous.markdown() shouldContain "# Kittiwake under faults: inconclusive"
            vacuous.copy(checks = vacuous.checks.filter { it.id != "K15" }).isPassed shouldBe true
        }
        test("says of a violation which job it was, and how to run it again") {
            val page = Report.of(run, history { enqueued(7) }).markdown()
            page shouldContain "violations"
            page shouldContain "- K1, job 7: has not ended, although all is drained"
            page shouldContain "Run it again: `make chaos seed=42`"
            page shouldContain "| seed | 42 |"
            page shouldContain
                "| K7 | The jobs of one key run in the order in which they were committed | G15 | comes with its feature |"
        }
        test("is the same after a round through its file") {
            val report = Report.of(run, history { someFaults() })
            Json.decodeFromString(Report.serializer(), report.json()) shouldBe report
        }
    })
