package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldHaveSingleElement
import io.kotest.matchers.ints.shouldBeLessThan
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.event.JobEvent
import kittiwake.job.Ending
import kittiwake.job.GiveUp
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.JobType
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.job.retry
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.ZERO

@Serializable
private class U

/** Texts of failures that PostgreSQL cannot store as they are, or that nobody wants to. */
class UnstorableErrorSpec :
    FunSpec({
        suspend fun ended(type: JobType<U, Unit>, events: RecordedEvents = RecordedEvents()): JobSnapshot {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            return kittiwake.working(events, {
                queue("u")
                jobs(type)
            }) {
                kittiwake.awaitEnd(kittiwake.submit(type, U()).id).shouldNotBeNull()
            }
        }

        val messages =
            mapOf(
                "NUL" to "bad \u0000 text",
                "a lone high surrogate" to "bad \uD83D text",
                "a lone low surrogate" to "bad \uDE00 text",
            )
        for ((what, message) in messages) {
            test("an attempt that fails with $what in its message is recorded, and the next one runs") {
                val type = job<U>("u") {
                    retry = fixed(ZERO)
                    handle { if (attempt == 1) error(message) }
                }
                val events = RecordedEvents()
                val job = ended(type, events)
                (job.state as JobState.Ended).ending shouldBe Ending.COMPLETED
                job.attempts shouldBe 2
                job.failures.single().error shouldContain "bad \uFFFD text"
                events.all.value.filterIsInstance<JobEvent.Failed>().map { it.attempt } shouldHaveSingleElement 1
            }
        }

        test("an attempt that fails with a message of 50 MB is recorded by its beginning, and the next one runs") {
            val type = job<U>("u") {
                retry = fixed(ZERO)
                handle { if (attempt == 1) error("big " + "x".repeat(50_000_000)) }
            }
            val job = ended(type)
            job.attempts shouldBe 2
            job.failures.single().error shouldContain "big xxx"
            job.failures.single().error.length shouldBeLessThan 11_000
        }

        test("a job is discarded though the reason of its handler cannot be stored") {
            val type = job<U>("u") { decide { discard("bad \u0000 reason " + "x".repeat(1_000_000)) } }
            val error = ended(type).failures.single().error
            error shouldContain "Discarded by its handler: bad \uFFFD reason xxx"
            error.length shouldBeLessThan 11_000
        }

        test("a job is discarded though the reason of its retry policy cannot be stored") {
            val type = job<U>("u") {
                retry = retry { GiveUp("bad \u0000 and \uD83D reason") }
                handle { error("it broke") }
            }
            val job = ended(type)
            (job.state as JobState.Ended).ending shouldBe Ending.DISCARDED
            job.failures.single().error shouldContain "Given up: bad \uFFFD and \uFFFD reason"
            job.failures.single().error shouldContain "it broke"
        }
    })
