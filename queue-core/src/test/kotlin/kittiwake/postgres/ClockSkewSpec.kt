package kittiwake.postgres

import io.kotest.core.annotation.Tags
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.comparables.shouldBeGreaterThanOrEqualTo
import io.kotest.matchers.comparables.shouldBeLessThan
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.jobStoreContract
import kittiwake.testing.working
import kittiwake.worker.WorkerBuilder
import kotlinx.serialization.Serializable
import kotlin.time.Clock
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

@Serializable
private class Skewed

/**
 * The server's clock and ours differ by an hour. All our connections find functions of a schema of their own where the
 * server's clock is meant, in columns' defaults too.
 */
@Tags("AnyJdk")
@OptIn(KittiwakeSpi::class)
class ClockSkewSpec :
    FunSpec({
        for ((server, skew) in listOf("ahead" to 1.hours, "behind" to -1.hours)) {
            val clock = "${TestDatabase.freshSchema()}_clock"
            TestDatabase.execute(clockWrongBy(skew.inWholeMinutes, clock))
            val skewed = TestDatabase.dataSource { options = "-c search_path=$clock,pg_catalog" }

            fun kittiwake() = TestDatabase.kittiwake(skewed)

            include("an hour $server:", jobStoreContract { autoClose(kittiwake()).store })

            test("a server an hour $server is that wrong for what is stored, too") {
                val kittiwake = autoClose(kittiwake())
                val id = kittiwake.submit(job<Skewed>("skewed"), Skewed()).id
                val difference = kittiwake.find(id).shouldNotBeNull().enqueuedAt - Clock.System.now() - skew
                difference.absoluteValue shouldBeLessThan 10.minutes
            }

            test("with a server an hour $server two workers start what is put off, retry and rescue when they should") {
                val kittiwake = autoClose(kittiwake())
                val other = autoClose(Kittiwake.connect(skewed) { schema = kittiwake.schema })
                val type = job<Skewed>("skewed") { retry = fixed(300.milliseconds) }
                val events = RecordedEvents()
                val dead = WorkerId.random()
                val rescued = kittiwake.submit(type, Skewed()).id
                kittiwake.store.join(dead, "dead", setOf(QueueName("skewed")))
                kittiwake.store.claim(dead, QueueName("skewed"), 1)
                val working: WorkerBuilder.() -> Unit = {
                    queue("skewed")
                    lease = 1.seconds
                    heartbeatEvery = 200.milliseconds
                    rescueEvery = 200.milliseconds
                    handle(type) { if (attempt == 1) error("once") }
                }
                kittiwake.working(events, working) {
                    other.working(events, working) {
                        val enqueued = TimeSource.Monotonic.markNow()
                        val delayed = kittiwake.submit(type, Skewed()) { delay = 700.milliseconds }.id
                        (kittiwake.find(delayed)?.state is JobState.Scheduled) shouldBe true
                        events.awaitOf<JobEvent.Failed>(delayed)
                        enqueued.elapsedNow() shouldBeGreaterThanOrEqualTo 700.milliseconds
                        events.awaitOf<JobEvent.Completed>(delayed)
                        enqueued.elapsedNow() shouldBeGreaterThanOrEqualTo 1.seconds
                        events.awaitOf<JobEvent.Rescued>(rescued)
                        events.awaitOf<JobEvent.Completed>(rescued)
                        kittiwake.find(rescued).shouldNotBeNull().attempts shouldBe 2
                    }
                }
                events.all.value.filterIsInstance<JobEvent.LeaseLost>().shouldBeEmpty()
            }
        }
    })

private fun clockWrongBy(minutes: Long, schema: String): String =
    listOf("clock_timestamp", "statement_timestamp", "transaction_timestamp", "now", "pg_postmaster_start_time")
        .joinToString(";", prefix = "create schema $schema;") { clock ->
            "create function $schema.$clock() returns timestamptz language sql " +
                "return pg_catalog.$clock() + interval '$minutes minutes'"
        }
