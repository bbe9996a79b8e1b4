package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactlyInAnyOrder
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.aWorkerOf
import kittiwake.testing.images
import kittiwake.testing.insertOne
import kittiwake.testing.oneClaimedBy
import kittiwake.testing.working
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.seconds

@OptIn(KittiwakeSpi::class)
class RescueSpec :
    FunSpec({
        test("by several at once takes each claim back once, and blames each job once") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val store = kittiwake.store
            store.insert(List(60) { aJob() })
            val ana = aWorkerOf(store)
            repeat(20) { store.claim(ana, images, 3) }
            val rescued =
                coroutineScope {
                    List(4) {
                        async(Dispatchers.IO) { List(12) { store.rescue(silentFor = ZERO, limit = 2) }.flatten() }
                    }.awaitAll().flatten()
                }
            rescued.map { it.id }.distinct() shouldHaveSize 60
            rescued shouldHaveSize 60
            store.claim(aWorkerOf(store), images, 100).map { it.crashes } shouldBe List(60) { 1 }
        }
        test("blames nobody for what a race left behind when a worker left") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val store = kittiwake.store
            val id = store.insertOne()
            val ana = aWorkerOf(store)
            store.leave(ana)
            TestDatabase.execute(
                """
                with taken as (delete from ${kittiwake.schema}.ready returning job_id)
                insert into ${kittiwake.schema}.lease (id, worker_id, job_ids, attempts)
                select 1, '${ana.value}', array[job_id], array[1] from taken
                """.trimIndent(),
            )
            store.rescue(silentFor = ZERO, limit = 10).single().id shouldBe id
            store.claim(aWorkerOf(store), images, 1).single().crashes shouldBe 0
        }
        for (listens in listOf(true, false)) {
            test("a job whose end the server refuses is put back, all others are rescued, notifications $listens") {
                val kittiwake = autoClose(TestDatabase.kittiwake { notifications = listens })
                val store = kittiwake.store
                val kept = store.insertOne(aJob(maxAttempts = 1))
                TestDatabase.execute(
                    "create table ${kittiwake.schema}.note (job_id bigint references ${kittiwake.schema}.job (id));" +
                        "insert into ${kittiwake.schema}.note values ($kept)",
                )
                val (ended, others) = store.insertOne(aJob(maxAttempts = 1)) to
                    store.insert(List(3) { aJob() }).map { it.id }
                val ana = aWorkerOf(store)
                repeat(5) { store.oneClaimedBy(ana) }
                val rescued = List(10) { store.rescue(silentFor = ZERO, limit = 100) }.flatten()
                rescued.map { it.id } shouldContainExactlyInAnyOrder others + kept + ended
                rescued.filter { it.discarded }.map { it.id } shouldBe listOf(ended)
                store.claim(aWorkerOf(store), images, 10).single { it.id == kept }.attempt shouldBe 2
            }
        }
        test("waits for no transaction that refers to a job: that one is put back, all others are rescued") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val store = kittiwake.store
            TestDatabase.execute(
                "create table ${kittiwake.schema}.note (job_id bigint references ${kittiwake.schema}.job (id))",
            )
            val (referred, ended) = store.insert(List(2) { aJob(maxAttempts = 1) }).map { it.id }
            val other = store.insertOne()
            store.claim(aWorkerOf(store), images, 3)
            TestDatabase.dataSource.connection.use { open ->
                open.autoCommit = false
                open.createStatement().use { it.execute("insert into ${kittiwake.schema}.note values ($referred)") }
                val rescued = store.rescue(silentFor = ZERO, limit = 10)
                rescued.associate { it.id to it.discarded } shouldBe
                    mapOf(referred to false, ended to true, other to false)
                open.rollback()
            }
            store.claim(aWorkerOf(store), images, 10).single { it.id == referred }.attempt shouldBe 2
        }
        test("leaves no claim behind of a suspect that was cancelled while it waited for its turn") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val store = kittiwake.store
            val end = CompletableDeferred<Unit>()
            val type = job<Unit>("images") { handle { end.await() } }
            val ids = List(2) { kittiwake.submit(type, Unit).id }
            repeat(2) {
                store.claim(aWorkerOf(store), images, 2)
                store.rescue(silentFor = ZERO, limit = 10)
            }
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("images")
                jobs(type)
            }) {
                val started = events.await { all -> all.filterIsInstance<JobEvent.Started>().firstOrNull()?.id }
                val waiting = ids.single { it != started }
                kittiwake.cancel(waiting)
                end.complete(Unit)
                events.awaitOf<JobEvent.LeaseLost>(waiting)
                eventually(10.seconds) { TestDatabase.count(kittiwake, "lease") shouldBe 0 }
            }
        }
        test("knows no limit of crashes at which the culprit cannot be known yet") {
            shouldThrow<IllegalArgumentException> {
                Kittiwake.connect(TestDatabase.dataSource) { crashLimit = 2 }
            }.message shouldContain "crashLimit must be at least 3, or null for none, but was 2"
        }
    })
