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
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.testTimeSource
import kotlin.time.Duration
import kotlin.time.TestTimeSource

@OptIn(KittiwakeSpi::class, ExperimentalCoroutinesApi::class)
class SlotsSpec :
    FunSpec({
        fun slots(concurrency: Int, ahead: Int = 100) = Slots(concurrency, prefetch = ahead, TestTimeSource())

        fun Slots.take(jobs: List<ClaimedJob>): Boolean = take(jobs, first.ask(), Duration.ZERO)

        fun Slots.enter(opened: MutableList<Unit>) = enter { opened += Unit }

        test("a place is opened for what was claimed, and the next by who has come for it") {
            val (slots, jobs, opened) = Triple(
                slots(concurrency = 3),
                List(4) {
                    aClaim(1L + it)
                },
                mutableListOf<Unit>(),
            )
            slots.take(jobs.take(3)) shouldBe true
            slots.take(jobs.drop(3)) shouldBe false
            slots.enter(opened) shouldBe jobs[0]
            slots.enter(opened) shouldBe jobs[1]
            opened.size shouldBe 2
            slots.enter(opened) shouldBe jobs[2]
            opened.size shouldBe 2
        }

        test("jobs that end at once have as many places as they need, not as many as are free") {
            val (slots, jobs, opened) = Triple(
                slots(concurrency = 64),
                List(50) {
                    aClaim(1L + it)
                },
                mutableListOf<Unit>(),
            )
            slots.take(jobs) shouldBe true
            val worked = listOf(slots.enter(opened)) + List(49) { slots.next(Duration.ZERO) }
            worked shouldContainExactly jobs
            slots.next(Duration.ZERO).shouldBeNull()
            slots.enter(opened).shouldBeNull()
            opened.size shouldBe 1
            slots.take(jobs) shouldBe true
        }

        test("who comes for a place when all was taken out has nothing to do, and the next job has a place again") {
            val (slots, jobs, opened) = Triple(
                slots(concurrency = 2),
                List(2) {
                    aClaim(1L + it)
                },
                mutableListOf<Unit>(),
            )
            slots.take(jobs) shouldBe true
            slots.clear() shouldContainExactly jobs
            slots.enter(opened).shouldBeNull()
            slots.take(jobs.take(1)) shouldBe true
            slots.enter(opened) shouldBe jobs[0]
            opened.size shouldBe 0
        }

        test("what waits for a thread is not in line for a place, however long it takes") {
            runTest {
                val slots = Slots(concurrency = 2, prefetch = null, testTimeSource)
                val jobs = List(5) { aClaim(1L + it) }
                slots.take(jobs)
                val overdue = async { slots.awaitOverdue() }
                overdue.await() shouldContainExactlyInAnyOrder jobs.drop(2)
                currentTime shouldBe 1_000
                slots.enter(mutableListOf()) shouldBe jobs[0]
                slots.next(Duration.ZERO) shouldBe jobs[1]
                slots.next(Duration.ZERO).shouldBeNull()
            }
        }
    })
