package chaos.check

import chaos.history.Outcome.UNKNOWN
import chaos.plan.FaultKind
import chaos.work.Deed
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContain
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.string.shouldStartWith
import kotlin.time.Duration.Companion.seconds

class NotVacuousSpec :
    FunSpec({
        val check = NotVacuous()

        fun ToldHistory.everything(without: String = "") {
            Deed.entries.filter { it.title != without }.forEachIndexed { n, deed -> enqueued(n + 1L, deed) }
            val poison = Deed.POISON.ordinal + 1L
            claimed(poison)
            if (without != "discard") discarded(poison)
            claimed(1)
            if (without != "rescue") rescued(1)
            if (without != "fence") told("ana", 1, "LeaseLost")
            if (without != "release") told("ana", 1, "Released")
            if (without != "cancel") cancelled(2)
            if (without != "revival") beat("ana", silentFor = 3.seconds)
            if (without != "committed") settled(1, UNKNOWN, 1).also { row(1) }
            if (without != "not committed") settled(2, UNKNOWN, 99)
            fault(FaultKind.KILL, "ana", strikes = if (without == "strike") 0 else 1)
        }

        fun missing(without: String): List<String> = check.examine(history { everything(without) }).inconclusive

        test("everything was seen") {
            check.accepts { everything() }
        }
        test("something was not seen") {
            missing("rescue") shouldContainExactly listOf("not seen: a rescue")
            missing("fence") shouldContainExactly listOf("not seen: a write that was fenced off")
            missing("release") shouldContainExactly listOf("not seen: a job that a stopping worker released")
            missing("cancel") shouldContainExactly listOf("not seen: a job that was cancelled")
            missing("revival") shouldContainExactly listOf("not seen: a lease that ran out and was revived")
            missing("discard") shouldContainExactly listOf("not seen: a poisonous job that was discarded")
            missing("committed") shouldContainExactly listOf("not seen: a commit of unknown outcome that had committed")
            missing("not committed") shouldContainExactly listOf("not seen: a commit of unknown outcome that had not")
            missing(Deed.ABUSIVE.title) shouldContainExactly listOf("not seen: a job \"abusive\"")
        }
        test("a fault never struck") {
            missing("strike") shouldContainExactly listOf("N1, \"a worker process is killed\", never struck")
        }
        test("a fault was planned and never injected") {
            val told = history {
                everything()
                planned = setOf(FaultKind.RESET)
            }
            check.examine(told).inconclusive shouldContain "N7, \"connections of a process are reset\", never struck"
        }
        test("a fault that this machine cannot have is said loudly, and is no reason to fail") {
            val told = history {
                everything()
                fault(FaultKind.DISK_FULL, strikes = 0, note = "no disk to fill on this machine")
            }
            check accepts told
            check.examine(told).notes shouldContain
                "NOT DONE: N17, \"the disk is full\": no disk to fill on this machine"
        }
        test("a fault that was done in another way is said loudly, too") {
            val told = history {
                everything()
                fault(FaultKind.DISK_FULL, strikes = 3, note = "no disk to fill on this machine: statements say so")
            }
            check accepts told
            check.examine(told).notes.single() shouldStartWith "NOT DONE AS IT SHOULD BE: N17"
        }
        test("a fault that failed is not excused by its note") {
            val told = history {
                everything()
                fault(FaultKind.RESET, strikes = 0, note = "reset 0")
            }
            check.examine(told).inconclusive shouldContain
                "N7, \"connections of a process are reset\", never struck (reset 0)"
        }
        test("nothing at all was seen") {
            check.examine(history {}).inconclusive shouldHaveSize 8 + Deed.entries.size
        }
    })
