package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.Ending
import kittiwake.job.Interruption
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.postgres.statement.GiveBack
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.serialization.Serializable
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
private class W(val text: String = "")

/** The engine on the real store, where threads, connections and the server's clock matter. */
@OptIn(KittiwakeSpi::class)
class PostgresWorkerSpec :
    FunSpec({
        test("a worker that stalls past its lease writes nothing over the one that took its job, and is told so") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<W, String>("w")
            val started = CompletableDeferred<JobId>()
            val goOn = CompletableDeferred<Unit>()
            val stalled = RecordedEvents()
            val other = RecordedEvents()
            kittiwake.working(stalled, {
                queue("w")
                heartbeatEvery = 10.seconds
                handle(type) {
                    started.complete(id)
                    withContext(NonCancellable) { goOn.await() }
                    "stalled"
                }
            }) {
                val id = kittiwake.submit(type, W()).id
                started.await()
                kittiwake.store.rescue(silentFor = ZERO, limit = 10)
                kittiwake.working(other, {
                    queue("w")
                    handle(type) { "other" }
                }) {
                    other.awaitOf<JobEvent.Completed>(id)
                }
                goOn.complete(Unit)
                stalled.awaitOf<JobEvent.LeaseLost>(id)
                val job = kittiwake.find(id).shouldNotBeNull()
                job.result shouldBe "\"other\""
                job.attempts shouldBe 2
            }
        }

        test("a running job that is cancelled stays cancelled, and its coroutine is told why") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<W>("w")
            val started = CompletableDeferred<Unit>()
            val reason = CompletableDeferred<Throwable>()
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("w")
                heartbeatEvery = 100.milliseconds
                handle(type) {
                    started.complete(Unit)
                    try {
                        awaitCancellation()
                    } catch (e: Interruption) {
                        reason.complete(e)
                        throw e
                    }
                }
            }) {
                val id = kittiwake.submit(type, W()).id
                started.await()
                kittiwake.cancel(id)
                reason.await().shouldBeInstanceOf<Interruption.CancelledByUser>()
                events.awaitOf<JobEvent.Cancelled>(id)
                (kittiwake.find(id)!!.state as JobState.Ended).ending shouldBe Ending.CANCELLED
                eventually(10.seconds) { TestDatabase.count(kittiwake, "lease") shouldBe 0 }
            }
        }

        test("handlers that block every thread they are given lose no lease") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<W>("w") { handle { release.await() } }
            val threads = Executors.newFixedThreadPool(2).asCoroutineDispatcher()
            val events = RecordedEvents()
            val blocked =
                kittiwake.worker {
                    queue("w")
                    jobs(type)
                    lease = 1.seconds
                    heartbeatEvery = 200.milliseconds
                    rescueEvery = 100.milliseconds
                    observe(events)
                }
            coroutineScope {
                val run = launch(threads) { blocked.run() }
                val ids = kittiwake.submitAll(type, List(6) { W() }).map { it.id }
                ids.take(2).forEach { events.awaitOf<JobEvent.Started>(it) }
                kittiwake.working(RecordedEvents(), {
                    queue("w")
                    jobs(type)
                    lease = 1.seconds
                    heartbeatEvery = 200.milliseconds
                    rescueEvery = 100.milliseconds
                }) {
                    eventually(20.seconds) {
                        val alive = "select count(*) from ${kittiwake.schema}.worker where ended_at is null"
                        val beaten = "$alive and seen_at - started_at > interval '4 seconds'"
                        TestDatabase.query(beaten).single() shouldBe "2"
                    }
                    release.countDown()
                    ids.forEach { kittiwake.awaitEnd(it).shouldNotBeNull().attempts shouldBe 1 }
                }
                run.cancelAndJoin()
            }
            events.all.value.filterIsInstance<JobEvent.LeaseLost>().shouldBeEmpty()
            threads.close()
        }

        test("a job enqueued in a handler knows its parent") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val parent = job<W>("w")
            val child = job<W>("child") { queue = "w" }
            val family = CompletableDeferred<JobId>()
            kittiwake.working(RecordedEvents(), {
                queue("w")
                handle(parent) { family.complete(kittiwake.submit(child, W()).id) }
                handle(child) { }
            }) {
                val id = kittiwake.submit(parent, W()).id
                kittiwake.find(family.await())!!.parent shouldBe id
            }
        }

        test("a claim that met none but cancelled jobs leaves nothing behind") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            kittiwake.cancel(kittiwake.submit(job<W>("w"), W()).id)
            val worker = WorkerId.random()
            val queue = QueueName("w")
            kittiwake.store.join(worker, "w", setOf(queue))
            val claims = WorkerClaims(Schema(kittiwake.schema), Retention.Default, worker)
            TestDatabase.connect { connection ->
                claims.claim(connection, queue, 1) shouldBe emptyList()
                claims.releaseDoubtful(connection, GiveBack(Schema(kittiwake.schema)))
            }
            for (table in listOf("ready", "lease", "job")) TestDatabase.count(kittiwake, table) shouldBe 0
        }

        test("a claim takes no more than fits into the row of a lease, however much it is asked for") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            kittiwake.submitAll(job<W>("w"), List(800) { W() })
            val worker = WorkerId.random()
            kittiwake.store.join(worker, "w", setOf(QueueName("w")))
            List(3) { kittiwake.store.claim(worker, QueueName("w"), Int.MAX_VALUE).size } shouldBe listOf(700, 100, 0)
        }

        test("a claim whose answer was lost is given back, at no cost of an attempt") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val id = kittiwake.submit(job<W>("w"), W()).id
            val worker = WorkerId.random()
            val queue = QueueName("w")
            kittiwake.store.join(worker, "w", setOf(queue))
            val claims = WorkerClaims(Schema(kittiwake.schema), Retention.Default, worker)
            TestDatabase.connect { connection ->
                runCatching { claims.claim(LosesAnswers(connection).connection, queue, 1) }.isFailure shouldBe true
                TestDatabase.count(kittiwake, "lease") shouldBe 1
                claims.releaseDoubtful(connection, GiveBack(Schema(kittiwake.schema)))
            }
            kittiwake.find(id)!!.state shouldBe JobState.Ready
            kittiwake.find(id)!!.attempts shouldBe 0
        }

        test("tickets restored from a cluster whose transactions counted further are claimed, and hide no newer ones") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<W>("w")
            val events = RecordedEvents()
            val restored = kittiwake.submitAll(type, List(3) { W() }).map { it.id }
            TestDatabase.execute("update ${kittiwake.schema}.ready set rank = rank + 1000000000")
            kittiwake.working(events, {
                queue("w") { concurrency = 1 }
                handle(type) { }
            }) {
                restored.forEach { events.awaitOf<JobEvent.Completed>(it) }
                repeat(3) { events.awaitOf<JobEvent.Completed>(kittiwake.submit(type, W()).id) }
            }
        }

        context("the archive") {
            test("forgets by the day, and row by row what no day was prepared for") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val s = kittiwake.schema
                TestDatabase.execute("select $s.prepare_archive(current_date - 3)")
                TestDatabase.execute(
                    """
                    insert into $s.archive (id, name, queue, priority, args, ending, attempt, max_attempts,
                        enqueued_at, ended_at, keep_until)
                    select id, 'w', 'w', 0, '{}', 'completed', 1, 20, now(), now(), now() - id * interval '1 day'
                    from generate_series(-5, 8) id
                    """,
                )
                kittiwake.store.prune(setOf(Retention.Default))
                TestDatabase.query("select id from $s.archive order by id") shouldBe (-5..-1).map { "$it" }
                val day = "to_char(now() at time zone 'UTC' + interval '8 days', 'YYYYMMDD')"
                val isPrepared = "select to_regclass('$s.archive_' || $day) is not null"
                TestDatabase.query(isPrepared).single() shouldBe "t"
                val keptByDefault = "select count(*) from $s.archive_default where keep_until > now()"
                TestDatabase.query(keptByDefault).single() shouldBe "5"
            }
            test("moves what lies in the default partition into a day that is prepared later") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val s = kittiwake.schema
                val type = job<W>("w")
                kittiwake.working(RecordedEvents(), {
                    queue("w")
                    handle(type) { }
                }) {
                    val id = kittiwake.submit(type, W()).id
                    kittiwake.awaitEnd(id)
                    val lastDay = "(keep_until at time zone 'UTC')::date"
                    TestDatabase.execute("select $s.prepare_archive($lastDay) from $s.archive")
                    TestDatabase.count(kittiwake, "archive_default") shouldBe 0
                    kittiwake.find(id).shouldNotBeNull()
                }
            }
            test("keeps nothing of a type that says so") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val type = job<W>("w") { retain(completed = ZERO) }
                val events = RecordedEvents()
                kittiwake.working(events, {
                    queue("w")
                    handle(type) { }
                }) {
                    val id = kittiwake.submit(type, W()).id
                    events.awaitOf<JobEvent.Completed>(id)
                    kittiwake.find(id).shouldBeNull()
                }
            }
        }
    })

private val release = CountDownLatch(1)
