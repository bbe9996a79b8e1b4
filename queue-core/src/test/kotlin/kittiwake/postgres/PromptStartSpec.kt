package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldExist
import io.kotest.matchers.comparables.shouldBeLessThan
import io.kotest.matchers.nulls.shouldNotBeNull
import kittiwake.KittiwakeSpi
import kittiwake.enqueue.EnqueueOptions
import kittiwake.event.JobEvent
import kittiwake.job.JobId
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.awaitSleepIn
import kittiwake.testing.working
import kotlinx.coroutines.async
import kotlinx.serialization.Serializable
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

@Serializable
private class Nothing

/** Polling is ten minutes away in all of these: whatever starts, starts because somebody was told, or knew when. */
@OptIn(KittiwakeSpi::class)
class PromptStartSpec :
    FunSpec({
        val type = job<Nothing>("prompt") { retry = fixed(300.milliseconds) }

        test("jobs enqueued in every way, one after the other, each start without a poll, at any concurrency") {
            for (places in listOf(1, 8)) {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val schema = kittiwake.schema
                val elsewhere = autoClose(Kittiwake.connect(TestDatabase.dataSource) { this.schema = schema })
                val events = RecordedEvents()
                kittiwake.working(events, {
                    queue("prompt") { concurrency = places }
                    handle(type) { }
                    pollEvery = 10.minutes
                }) {
                    kittiwake.awaitSleepIn("prompt")
                    repeat(12) { n ->
                        val id =
                            when (n % 6) {
                                0 -> elsewhere.submit(type, Nothing()).id
                                1 -> elsewhere.enqueueOnJdbc(1)
                                2 -> elsewhere.enqueueOnJdbc(1) { uniqueKey = "$n" }
                                3 -> elsewhere.enqueueOnJdbc(2) { uniqueKey = "$n" }
                                4 -> idFrom("select $schema.enqueue('prompt')")
                                else -> idFrom("insert into $schema.job (name) values ('prompt') returning id")
                            }
                        events.awaitOf<JobEvent.Completed>(id, within = 5.seconds)
                    }
                }
            }
        }

        for ((places, verb) in listOf(1 to "claim jobs", 8 to "take up")) {
            test("with $places places the connection that heard of a job goes on with \"$verb\"") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val elsewhere = autoClose(Kittiwake.connect(TestDatabase.dataSource) { schema = kittiwake.schema })
                val events = RecordedEvents()
                kittiwake.working(events, {
                    queue("prompt") { concurrency = places }
                    handle(type) { }
                    pollEvery = 10.minutes
                }) {
                    eventually(20.seconds) {
                        events.awaitOf<JobEvent.Completed>(elsewhere.enqueueOnJdbc(1), within = 5.seconds)
                        lastOfListeners(kittiwake.schema).shouldExist { verb in it }
                    }
                }
            }
        }

        test("a delayed job and a retry start when they are due") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val elsewhere = autoClose(Kittiwake.connect(TestDatabase.dataSource) { schema = kittiwake.schema })
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("prompt")
                handle(type) { if (attempt == 1) error("once") }
                pollEvery = 10.minutes
            }) {
                val enqueued = TimeSource.Monotonic.markNow()
                val id = elsewhere.submit(type, Nothing()) { delay = 700.milliseconds }.id
                events.awaitOf<JobEvent.Started>(id, within = 5.seconds)
                enqueued.elapsedNow() shouldBeAtLeast 700.milliseconds
                events.awaitOf<JobEvent.Completed>(id, within = 5.seconds)
            }
        }

        test("a worker whose waking connections are killed opens others, and what came meanwhile is found") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val elsewhere = autoClose(Kittiwake.connect(TestDatabase.dataSource) { schema = kittiwake.schema })
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("prompt")
                handle(type) { }
                pollEvery = 10.minutes
            }) {
                for (killed in listOf("'kittiwake listener'", "'kittiwake sleepers'", BOTH, BOTH)) {
                    events.awaitOf<JobEvent.Completed>(elsewhere.submit(type, Nothing()).id, within = 20.seconds)
                    TestDatabase.query(
                        "select pg_terminate_backend(pid) from pg_stat_activity where application_name in ($killed)",
                    )
                    events.awaitOf<JobEvent.Completed>(elsewhere.submit(type, Nothing()).id, within = 20.seconds)
                }
            }
        }

        test("without any signal polling finds the jobs") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val events = RecordedEvents()
            TestDatabase.execute(
                """
                create or replace function ${kittiwake.schema}.wake(queue text) returns void language sql
                as 'select null::void where false'
                """,
            )
            val elsewhere = autoClose(Kittiwake.connect(TestDatabase.dataSource) { schema = kittiwake.schema })
            kittiwake.working(events, {
                queue("prompt")
                handle(type) { }
                pollEvery = 200.milliseconds
            }) {
                repeat(3) {
                    events.awaitOf<JobEvent.Completed>(elsewhere.submit(type, Nothing()).id, within = 10.seconds)
                }
            }
        }

        test("whoever waits for the end of a job hears of it at once, also when it had ended before") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("prompt")
                handle(type) { }
            }) {
                val id = kittiwake.submit(type, Nothing()).id
                async { kittiwake.awaitEnd(id, 10.seconds) }.await().shouldNotBeNull()
                val asked = TimeSource.Monotonic.markNow()
                kittiwake.awaitEnd(id, 1.minutes).shouldNotBeNull()
                asked.elapsedNow() shouldBeLessThan 30.seconds
            }
        }
    })

private const val BOTH = "'kittiwake listener', 'kittiwake sleepers'"

private infix fun Duration.shouldBeAtLeast(least: Duration) {
    least shouldBeLessThan this
}

/** Specs that run at the same time have listeners of their own. */
private fun lastOfListeners(schema: String): List<String> = TestDatabase.query(
    "select query from pg_stat_activity where application_name = 'kittiwake listener' and query like '%\"$schema\"%'",
)

private fun idFrom(sql: String) = JobId(TestDatabase.query(sql).single().toLong())

private fun Kittiwake.enqueueOnJdbc(count: Int, options: EnqueueOptions.() -> Unit = {}): JobId =
    TestDatabase.connect { connection ->
        connection.autoCommit = false
        val jobs = enqueueAll(connection, job<Nothing>("prompt"), List(count) { Nothing() }) { options() }
        connection.commit()
        jobs.first().id
    }
