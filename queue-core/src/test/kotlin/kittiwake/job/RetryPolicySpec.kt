package kittiwake.job

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.comparables.shouldBeLessThanOrEqualTo
import io.kotest.matchers.ranges.shouldBeIn
import io.kotest.matchers.shouldBe
import io.kotest.matchers.types.shouldBeInstanceOf
import io.kotest.property.Arb
import io.kotest.property.arbitrary.double
import io.kotest.property.arbitrary.int
import io.kotest.property.arbitrary.long
import io.kotest.property.checkAll
import java.io.FileNotFoundException
import java.io.IOException
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

private fun RetryPolicy.after(attempt: Int, cause: Throwable = IOException("down")): RetryDecision =
    decide(Failure(cause, attempt))

private fun RetryPolicy.delayAfter(attempt: Int): Duration = after(attempt).shouldBeInstanceOf<After>().delay

private fun RetryPolicy.reasonAfter(attempt: Int, cause: Throwable = IOException("down")): String =
    after(attempt, cause).shouldBeInstanceOf<GiveUp>().reason

/** How long it waits after each failure until it gives up. */
private fun RetryPolicy.delays(): List<Duration> =
    generateSequence(1) { it + 1 }.map { after(it) }.takeWhile { it is After }.map { (it as After).delay }.toList()

class RetryPolicySpec :
    FunSpec({
        context("fixed") {
            test("waits the same after every failure") {
                val policy = fixed(3.seconds)
                listOf(1, 2, 1_000).map { policy.delayAfter(it) } shouldBe List(3) { 3.seconds }
                policy.maxAttempts shouldBe null
            }
            test("refuses a delay that is negative or endless") {
                for (delay in listOf((-1).seconds, Duration.INFINITE)) {
                    shouldThrow<IllegalArgumentException> { fixed(delay) }.message shouldBe
                        "fixed: a delay must be zero or longer and finite, but was $delay"
                }
            }
        }

        context("linear") {
            test("waits one step longer each time, up to the max") {
                val policy = linear(10.seconds, max = 25.seconds)
                listOf(1, 2, 3, 1_000).map { policy.delayAfter(it) } shouldBe
                    listOf(10.seconds, 20.seconds, 25.seconds, 25.seconds)
            }
            test("stays finite without a max") {
                linear(1_000_000.days).delayAfter(MAX_ATTEMPTS).isFinite() shouldBe true
            }
            test("refuses a max shorter than the step") {
                shouldThrow<IllegalArgumentException> { linear(10.seconds, max = (-1).seconds) }.message shouldBe
                    "linear: max (-1s) must not be shorter than step (10s)"
            }
        }

        context("exponential") {
            test("doubles from the base up to the max") {
                val policy = exponential(2.seconds, max = 10.seconds)
                (1..5).map { policy.delayAfter(it) } shouldBe
                    listOf(2.seconds, 4.seconds, 8.seconds, 10.seconds, 10.seconds)
            }
            test("grows by the factor it is given") {
                val policy = exponential(100.milliseconds, max = 1.hours, factor = 3.0)
                (1..3).map { policy.delayAfter(it) } shouldBe
                    listOf(100.milliseconds, 300.milliseconds, 900.milliseconds)
            }
            test("is the max, not an overflow, after a thousand attempts") {
                exponential(1.seconds, max = 6.hours).delayAfter(1_000) shouldBe 6.hours
                exponential(1.seconds, max = 6.hours, factor = 1e300).delayAfter(1_000) shouldBe 6.hours
                exponential(1.seconds, max = Duration.INFINITE).delayAfter(1_000).isFinite() shouldBe true
                exponential(ZERO, factor = 1e300).delayAfter(1_000) shouldBe ZERO
            }
            test("never waits less than after the attempt before") {
                val factors = Arb.double(1.0, 20.0, includeNaNs = false)
                checkAll(Arb.long(0L..100_000L), factors, Arb.int(1..2_000)) { base, factor, attempt ->
                    val policy = exponential(base.milliseconds, max = 1.days, factor = factor)
                    policy.delayAfter(attempt) shouldBeLessThanOrEqualTo policy.delayAfter(attempt + 1)
                }
            }
            test("refuses a factor that shrinks and a max below the base") {
                shouldThrow<IllegalArgumentException> { exponential(1.seconds, factor = 0.5) }.message shouldBe
                    "exponential: factor must be at least 1.0, but was 0.5"
                shouldThrow<IllegalArgumentException> { exponential(1.seconds, factor = Double.NaN) }
                shouldThrow<IllegalArgumentException> { exponential(2.seconds, max = 1.seconds) }.message shouldBe
                    "exponential: max (1s) must not be shorter than base (2s)"
            }
        }

        context("jittered") {
            test("stays within its factor of the delay, either way") {
                val factors = Arb.double(0.0, 1.0, includeNaNs = false)
                checkAll(Arb.long(0L..10_000_000L), factors, Arb.int()) { millis, factor, seed ->
                    val delay = millis.milliseconds
                    val jittered = fixed(delay).jittered(factor, Random(seed)).delayAfter(1)
                    jittered shouldBeIn (delay * (1 - factor) - 1.milliseconds)..(delay * (1 + factor) + 1.milliseconds)
                }
            }
            test("spreads both ways") {
                val policy = fixed(100.seconds).jittered(0.5, Random(1))
                val delays = List(200) { policy.delayAfter(1) }
                delays.count { it < 90.seconds } shouldBeIn 20..180
                delays.count { it > 110.seconds } shouldBeIn 20..180
            }
            test("leaves a decision to give up alone") {
                never.jittered().reasonAfter(1) shouldBe "it is never tried again"
            }
            test("refuses a factor beyond 0 to 1") {
                for (factor in listOf(-0.1, 1.1, Double.NaN)) {
                    shouldThrow<IllegalArgumentException> { fixed(1.seconds).jittered(factor) }.message shouldBe
                        "jittered: factor must be between 0.0 and 1.0, but was $factor"
                }
            }
        }

        context("limit") {
            test("gives up when the job has been tried so often in all") {
                val policy = fixed(1.seconds).limit(3)
                policy.delays() shouldBe List(2) { 1.seconds }
                policy.reasonAfter(3) shouldBe "it was tried 3 times"
                policy.maxAttempts shouldBe 3
            }
            test("of a limit is the smaller of both") {
                for (policy in listOf(fixed(1.seconds).limit(2).limit(5), fixed(1.seconds).limit(5).limit(2))) {
                    policy.maxAttempts shouldBe 2
                    policy.delays().size shouldBe 1
                }
            }
            test("survives being jittered") {
                fixed(1.seconds).limit(3).jittered().maxAttempts shouldBe 3
            }
            test("refuses less than one attempt and more than 32,000") {
                for (attempts in listOf(0, -1, 32_001)) {
                    shouldThrow<IllegalArgumentException> { fixed(1.seconds).limit(attempts) }.message shouldBe
                        "limit: attempts must be between 1 and 32000, but was $attempts"
                }
            }
        }

        context("onlyFor and except") {
            test("onlyFor gives up on every other cause") {
                val policy = fixed(1.seconds).onlyFor<IOException>()
                policy.after(1, FileNotFoundException()).shouldBeInstanceOf<After>()
                policy.reasonAfter(1, IllegalStateException()) shouldBe "IllegalStateException is not retried"
            }
            test("except gives up on just these causes") {
                val policy = fixed(1.seconds).except(FileNotFoundException::class, IllegalStateException::class)
                policy.after(1, IOException()).shouldBeInstanceOf<After>()
                policy.reasonAfter(1, FileNotFoundException()) shouldBe "FileNotFoundException is not retried"
            }
            test("keep the limit of the policy they narrow") {
                fixed(1.seconds).limit(4).onlyFor<IOException>().maxAttempts shouldBe 4
                fixed(1.seconds).limit(4).except<IOException>().maxAttempts shouldBe 4
            }
        }

        context("then") {
            val first = fixed(1.seconds).limit(3)

            test("goes on with the next policy, which counts from 1 again") {
                val policy = first then exponential(1.minutes).limit(3)
                policy.delays() shouldBe listOf(1.seconds, 1.seconds, 1.seconds, 1.minutes, 2.minutes)
                policy.maxAttempts shouldBe 6
            }
            test("has no end when the next has none") {
                (first then fixed(1.hours)).maxAttempts shouldBe null
                (first then fixed(1.hours)).delayAfter(1_000) shouldBe 1.hours
            }
            test("looks for the limit through what was put around it") {
                val narrowed = first.jittered(0.0).onlyFor<IOException>() then fixed(1.hours).limit(2)
                narrowed.delays() shouldBe listOf(1.seconds, 1.seconds, 1.seconds, 1.hours)
                narrowed.reasonAfter(2, IllegalStateException()) shouldBe "IllegalStateException is not retried"
            }
            test("chains") {
                val policy = first then fixed(1.minutes).limit(2) then fixed(1.hours).limit(2)
                policy.delays() shouldBe listOf(1.seconds, 1.seconds, 1.seconds, 1.minutes, 1.minutes, 1.hours)
                policy.maxAttempts shouldBe 7
            }
            test("waits as often as its attempts say, whatever the stages") {
                checkAll(Arb.int(1..30), Arb.int(1..30), Arb.int(1..30)) { a, b, c ->
                    val policy =
                        fixed(1.seconds).limit(a) then (fixed(2.seconds).limit(b) then fixed(3.seconds).limit(c))
                    policy.delays().size shouldBe a + b + c - 1
                    policy.maxAttempts shouldBe a + b + c
                }
            }
            test("refuses a first policy without an end") {
                shouldThrow<IllegalArgumentException> { fixed(1.seconds) then never }.message shouldBe
                    "then: the first policy needs a limit(n), or the second would never be reached"
            }
        }

        context("never") {
            test("gives up on the first failure") {
                never.reasonAfter(1) shouldBe "it is never tried again"
                never.maxAttempts shouldBe 1
                never.toString() shouldBe "never"
            }
        }

        context("a policy of one's own") {
            test("sees the cause and the attempt") {
                val policy =
                    retry { failure ->
                        if (failure.cause is IOException) After(failure.attempt.minutes) else GiveUp("not worth it")
                    }
                policy.delayAfter(7) shouldBe 7.minutes
                policy.reasonAfter(7, IllegalStateException()) shouldBe "not worth it"
                policy.maxAttempts shouldBe null
            }
            test("takes a limit like any other") {
                val policy = retry { After(1.seconds) }.limit(2)
                policy.delays() shouldBe listOf(1.seconds)
            }
        }

        context("the default") {
            test("is exponential from one second to an hour, give or take a fifth") {
                RetryPolicy.Default.maxAttempts shouldBe null
                RetryPolicy.Default.delayAfter(1) shouldBeIn 800.milliseconds..1_200.milliseconds
                RetryPolicy.Default.delayAfter(40) shouldBeIn 48.minutes..72.minutes
            }
        }
    })
