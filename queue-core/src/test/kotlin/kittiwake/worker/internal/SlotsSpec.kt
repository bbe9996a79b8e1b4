package kittiwake.worker.internal

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.collections.shouldContainExactlyInAnyOrder
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.testing.aClaim
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.async
import kotlinx.coroutines.test.currentTime
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.testTimeSource
import kotlin.time.Duration
import kotlin.time.TestTimeSource

@OptIn(KittiwakeSpi::class, ExperimentalCoroutinesApi::class)
class SlotsSpec :
    FunSpec({
        val jobs = List(50) { aClaim(1L + it) }

        fun slots(concurrency: Int) = Slots(concurrency, prefetch = 100, TestTimeSource())

        fun Slots.take(jobs: List<ClaimedJob>): Boolean = take(jobs, first.ask(), Duration.ZERO)

        /** The job of who comes for a place, and whether the next one is opened. */
        fun Slots.enter(): Pair<ClaimedJob?, Boolean> {
            var opens = false
            return enter { opens = true } to opens
        }

        test("a place is opened for what was claimed, and the next by who has come for it") {
            val slots = slots(concurrency = 3)
            slots.take(jobs.take(3)) shouldBe true
            slots.take(jobs.slice(3..3)) shouldBe false
            slots.enter() shouldBe (jobs[0] to true)
            slots.enter() shouldBe (jobs[1] to true)
            slots.enter() shouldBe (jobs[2] to false)
        }

        test("jobs that end at once have as many places as they need, not as many as are free") {
            val slots = slots(concurrency = 64)
            slots.take(jobs) shouldBe true
            slots.enter() shouldBe (jobs[0] to true)
            List(49) { slots.next(Duration.ZERO) } shouldContainExactly jobs.drop(1)
            slots.next(Duration.ZERO).shouldBeNull()
            slots.enter() shouldBe (null to false)
            slots.take(jobs) shouldBe true
        }

        test("a job that nobody has asked for finds room while a place is free, though a claim has asked for all") {
            val slots = Slots(concurrency = 2, prefetch = null, TestTimeSource())
            slots.first.ask() shouldBe 2
            slots.admit(jobs[0]) shouldBe Slots.Admission.OPENS
            slots.enter() shouldBe (jobs[0] to false)
            slots.admit(jobs[1]) shouldBe Slots.Admission.OPENS
            slots.admit(jobs[2]) shouldBe Slots.Admission.NO_ROOM
        }

        test("a job that nobody has asked for finds no room beside a claim that may fill what somebody has set") {
            val slots = slots(concurrency = 2)
            val asked = slots.first.ask()
            slots.hasRoomForOne shouldBe false
            slots.admit(jobs[0]) shouldBe Slots.Admission.NO_ROOM
            slots.giveUp(asked)
            slots.admit(jobs[0]) shouldBe Slots.Admission.OPENS
        }

        test("a job that nobody has asked for is taken out, too, when the jobs before it have become slow") {
            runTest {
                val slots = Slots(concurrency = 1, prefetch = null, testTimeSource)
                for (job in jobs.take(5)) {
                    slots.take(listOf(job))
                    slots.enter()
                    slots.next(Duration.ZERO)
                }
                slots.take(jobs.slice(5..5))
                slots.enter()
                val overdue = async { slots.awaitOverdue() }
                runCurrent()
                slots.admit(jobs[6]) shouldBe Slots.Admission.WAITS
                overdue.await() shouldContainExactly jobs.slice(6..6)
                currentTime shouldBe 1_000
            }
        }

        test("who comes for a place when all was taken out has nothing to do, and the next job has a place again") {
            val slots = slots(concurrency = 2)
            slots.take(jobs) shouldBe true
            slots.clear() shouldContainExactly jobs
            slots.enter() shouldBe (null to false)
            slots.take(jobs.take(1)) shouldBe true
            slots.enter() shouldBe (jobs[0] to false)
        }

        test("what waits for a thread is not in line for a place, however long it takes") {
            runTest {
                val slots = Slots(concurrency = 2, prefetch = null, testTimeSource)
                slots.take(jobs.take(5))
                slots.awaitOverdue() shouldContainExactlyInAnyOrder jobs.slice(2..4)
                currentTime shouldBe 1_000
                slots.enter() shouldBe (jobs[0] to true)
                slots.next(Duration.ZERO) shouldBe jobs[1]
                slots.next(Duration.ZERO).shouldBeNull()
            }
        }
    })
