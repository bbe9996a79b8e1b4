package kittiwake.worker.internal

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TestTimeSource

class PaceSpec :
    FunSpec({
        val time = TestTimeSource()

        fun Pace.done(jobs: Int, within: Duration, took: Duration = 1.milliseconds) = repeat(jobs) {
            time += within / jobs
            done(took)
        }

        test("of nothing done is zero") {
            Pace(time).ahead() shouldBe 0
        }
        test("is what was done in this stretch, or in the one before if that is more") {
            val pace = Pace(time)
            pace.done(30, within = 40.milliseconds)
            pace.ahead() shouldBe 30
            time += 20.milliseconds
            pace.done(10, within = 20.milliseconds)
            pace.ahead() shouldBe 30
            pace.done(30, within = 20.milliseconds)
            pace.ahead() shouldBe 40
        }
        test("stays the same while the jobs go on as fast") {
            val pace = Pace(time)
            pace.done(1_000, within = 1.seconds)
            repeat(100) {
                pace.done(10, within = 10.milliseconds)
                (pace.ahead() in 49..51) shouldBe true
            }
        }
        test("is zero when nothing was done for two stretches") {
            val pace = Pace(time)
            pace.done(30, within = 40.milliseconds)
            time += 100.milliseconds
            pace.ahead() shouldBe 0
        }
        test("does not count jobs that take longer than a stretch") {
            val pace = Pace(time)
            pace.done(30, within = 40.milliseconds, took = 50.milliseconds)
            pace.ahead() shouldBe 0
        }
        test("has an end") {
            val pace = Pace(time)
            pace.done(1_000_000, within = 40.milliseconds)
            pace.ahead() shouldBe 2_000
        }
        test("reaches over three claims where claims take long, and over half a second at most") {
            val pace = Pace(time)
            pace.claimed(100.milliseconds)
            pace.done(300, within = 290.milliseconds, took = 200.milliseconds)
            pace.ahead() shouldBe 300
            pace.claimed(10.seconds)
            time += 1.seconds
            pace.ahead() shouldBe 0
        }
    })
