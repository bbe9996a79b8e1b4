package chaos.check

import chaos.plan.FaultKind
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.maps.shouldContainKey
import io.kotest.matchers.shouldBe
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

class RecoverySpec :
    FunSpec({
        val check = Recovery()

        /** Somebody else is busy all the time. */
        fun ToldHistory.others(jobs: LongRange) = jobs.forEach {
            done(it, by = "ben")
            after(300.milliseconds)
        }

        fun ToldHistory.killed() {
            done(1, by = "ana")
            enqueued(2)
            claimed(2, by = "ana")
            fault(FaultKind.KILL, "ana")
        }

        test("what a killed process held is free in time") {
            val told = history {
                killed()
                after(3.seconds)
                rescued(2)
            }
            check accepts told
            val time = RecoveryTimes(told).times.single()
            time.samples shouldBe 1
            time.max shouldBe 3.seconds
            check.examine(told).figures shouldContainKey "N1"
        }
        test("what a killed process held is free too late") {
            check.catches("what ana held recovered after 20s", 2) {
                killed()
                after(20.seconds)
                rescued(2)
            }
        }
        test("what a killed process held is never free") {
            check.catches("what ana held recovered never", 2) { killed() }
        }
        test("a process that held nothing leaves nothing to recover") {
            val told = history {
                done(1, by = "ana")
                fault(FaultKind.KILL, "ana")
            }
            RecoveryTimes(told).samples.shouldBeEmpty()
        }
        test("another fault meanwhile starts it over") {
            check.accepts {
                killed()
                after(5.seconds)
                fault(FaultKind.READ_ONLY, lasts = 20.seconds)
                after(25.seconds)
                rescued(2)
                done(3, by = "ana")
            }
        }

        fun ToldHistory.cutOff() {
            done(1, by = "ana")
            fault(FaultKind.BLACKHOLE, "ana", lasts = 1.seconds)
            after(1.seconds)
            others(100L..300L)
        }
        test("a process that was cut off works again in time") {
            val told = history {
                done(1, by = "ana")
                fault(FaultKind.BLACKHOLE, "ana", lasts = 1.seconds)
                after(2.seconds)
                done(2, by = "ana")
                others(100L..300L)
            }
            check accepts told
            RecoveryTimes(told).times.single().kind shouldBe FaultKind.BLACKHOLE
        }
        test("a process that was cut off works again too late") {
            check.catches("ana recovered after 3m", null) {
                cutOff()
                after(2.minutes)
                done(2, by = "ana")
            }
        }
        test("a process that was cut off never works again") {
            check.catches("ana recovered never", null) { cutOff() }
        }
        test("a process that is back when all is done has nothing to show") {
            check.accepts {
                done(1, by = "ana")
                fault(FaultKind.BLACKHOLE, "ana")
                after(1.seconds)
                (100L..300L).forEach { done(it, by = "ben") }
            }
        }
        test("a process without work has nothing to show") {
            check.accepts {
                done(1, by = "ana")
                fault(FaultKind.BLACKHOLE, "ana")
                after(1.seconds)
                others(100L..110L)
            }
        }
        test("a server that crashes stops everybody, and the backlog tells") {
            val told = history {
                done(1, by = "ana")
                done(2, by = "ben")
                (100L..200L).forEach { enqueued(it) }
                fault(FaultKind.CRASH_SERVER)
                after(3.minutes)
                done(3, by = "ana")
            }
            val late = check.examine(told).violations.map {
                it.what.substringAfter("Z: ").substringBefore(" recovered")
            }
            late shouldBe listOf("ana", "ben")
        }
    })
