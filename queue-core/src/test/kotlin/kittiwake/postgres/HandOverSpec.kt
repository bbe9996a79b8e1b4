package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainAll
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.longs.shouldBeInRange
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.enqueue.EnqueueOptions
import kittiwake.event.JobEvent
import kittiwake.job.JobId
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.Sleeper
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.aWorkerOf
import kittiwake.testing.awaitSleepIn
import kittiwake.testing.images
import kittiwake.testing.oneClaimedBy
import kittiwake.testing.working
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.serialization.Serializable
import java.sql.Connection
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

@Serializable
private class Handed

/** Whoever enqueues puts the job into the lease that a sleeping worker has offered, in a transaction of its own. */
@OptIn(KittiwakeSpi::class)
class HandOverSpec :
    FunSpec({
        val type = job<Handed>("images") { handle { } }

        fun kittiwake() = autoClose(TestDatabase.kittiwake())

        suspend fun inTransaction(block: suspend (Connection) -> Unit) =
            TestDatabase.dataSource.connection.use { connection ->
                connection.autoCommit = false
                block(connection)
            }

        fun onJdbc(kittiwake: Kittiwake, options: EnqueueOptions.() -> Unit = {}): JobId =
            TestDatabase.connect { connection ->
                connection.autoCommit = false
                kittiwake.enqueue(connection, type, Handed(), options).id.also { connection.commit() }
            }

        test("a job enqueued in any way starts without ever having had a ticket") {
            val kittiwake = kittiwake()
            val schema = kittiwake.schema
            val elsewhere = autoClose(Kittiwake.connect(TestDatabase.dataSource) { this.schema = schema })
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("images")
                jobs(type)
                pollEvery = 10.minutes
            }) {
                kittiwake.awaitSleepIn("images")
                TestDatabase.execute("alter table $schema.ready add check (job_id < 0) not valid")
                val ways =
                    listOf<suspend () -> JobId>(
                        { onJdbc(elsewhere) },
                        { onJdbc(elsewhere) { uniqueKey = "k" } },
                        { elsewhere.submit(type, Handed()).id },
                        { kittiwake.submit(type, Handed()).id },
                        { idFrom("select $schema.enqueue('images')") },
                        { idFrom("insert into $schema.job (name) values ('images') returning id") },
                    )
                for (way in ways + ways) {
                    eventually(10.seconds) { TestDatabase.count(kittiwake, "offer") shouldBe 1 }
                    events.awaitOf<JobEvent.Completed>(way(), within = 5.seconds)
                }
            }
            TestDatabase.count(kittiwake, "offer") shouldBe 0
        }

        test("a rollback, of a savepoint too, takes the job back and leaves the offer") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                inTransaction { connection ->
                    kittiwake.enqueue(connection, type, Handed())
                    connection.rollback()
                    val point = connection.setSavepoint()
                    kittiwake.enqueue(connection, type, Handed())
                    connection.rollback(point)
                    TestDatabase.count(kittiwake, "offer") shouldBe 1
                    handedOver.value.shouldBeEmpty()
                    val kept = kittiwake.enqueue(connection, type, Handed()).id
                    connection.commit()
                    store.takeUp(id, images, heard().single()).shouldNotBeNull().id shouldBe kept
                }
                listOf("ready", "offer").forEach { TestDatabase.count(kittiwake, it) shouldBe 0 }
            }
        }

        test("while a transaction has an offer in its hands nobody waits for it, neither enqueuers nor who made it") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                inTransaction { slow ->
                    val late = kittiwake.enqueue(slow, type, Handed()).id
                    inTransaction { quick ->
                        kittiwake.enqueue(quick, type, Handed())
                        quick.commit()
                    }
                    store.oneClaimedBy(id)
                    rise()
                    look()
                    handedOver.value.shouldBeEmpty()
                    slow.commit()
                    store.takeUp(id, images, heard().single()).shouldNotBeNull().id shouldBe late
                }
            }
        }

        for (level in listOf(Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE)) {
            test("at isolation level $level a job is enqueued under a snapshot older than a hand-over") {
                val kittiwake = kittiwake()
                Sleeper.of(kittiwake.store) {
                    inTransaction { strict ->
                        strict.transactionIsolation = level
                        strict.createStatement().use { it.execute("select count(*) from ${kittiwake.schema}.offer") }
                        inTransaction { other ->
                            kittiwake.enqueue(other, type, Handed())
                            other.commit()
                        }
                        val id = kittiwake.enqueue(strict, type, Handed()).id
                        strict.commit()
                        store.oneClaimedBy(aWorkerOf(store)).id shouldBe id
                    }
                }
            }
        }

        test("what is committed as its worker leaves goes back at once") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                inTransaction { connection ->
                    val job = kittiwake.enqueue(connection, type, Handed()).id
                    coroutineScope {
                        val leaving = async(Dispatchers.IO) { store.leave(id) }
                        eventually(10.seconds) { waitsFor(connection) shouldBe "1" }
                        connection.commit()
                        leaving.await()
                    }
                    store.oneClaimedBy(aWorkerOf(store)).let { it.id to it.attempt } shouldBe (job to 1)
                }
            }
        }

        test("what is committed long after its worker has left is rescued, at no cost of an attempt") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                inTransaction { connection ->
                    val job = kittiwake.insert(connection, type, listOf(aJob(maxAttempts = 2))).single().id
                    store.leave(id)
                    TestDatabase.execute("update ${kittiwake.schema}.worker set ended_at = now() - interval '1 day'")
                    store.rescue(silentFor = ZERO, limit = 10).shouldBeEmpty()
                    TestDatabase.count(kittiwake, "worker") shouldBe 1
                    connection.commit()
                    store.rescue(silentFor = ZERO, limit = 10).map { it.id } shouldContainExactly listOf(job)
                    store.oneClaimedBy(aWorkerOf(store)).let { it.attempt to it.crashes } shouldBe (1 to 0)
                    TestDatabase.query("select id from ${kittiwake.schema}.worker").size shouldBe 1
                }
            }
        }

        test("an offer whose worker's session is gone is thrown away, and the job waits for others") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                TestDatabase.query(
                    """
                    select pg_terminate_backend(pid, 10000)
                    from pg_stat_activity
                    where application_name = 'kittiwake sleepers'
                      and pid = (select pid from pg_locks, ${kittiwake.schema}.offer
                                 where locktype = 'advisory' and (classid::bigint << 32 | objid::bigint) = session)
                    """.trimIndent(),
                )
                store.insert(listOf(aJob())).single().isHandedOver shouldBe false
                // On a new connection it makes a new offer.
                eventually(10.seconds) {
                    look()
                    TestDatabase.count(kittiwake, "offer") shouldBe 1
                }
                store.insert(listOf(aJob())).single().isHandedOver shouldBe true
                heard()
            }
        }

        test("an offer that has become too old to be looked at is renewed with the next poll") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                TestDatabase.execute("select setval('${kittiwake.schema}.offer_number_seq', 5000)")
                store.insert(listOf(aJob())).single().isHandedOver shouldBe false
                look()
                store.insert(listOf(aJob())).single().isHandedOver shouldBe true
                heard()
                TestDatabase.count(kittiwake, "offer") shouldBe 0
            }
        }

        test("what is committed while its worker drains goes back with the next heartbeat") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                inTransaction { connection ->
                    val job = kittiwake.enqueue(connection, type, Handed()).id
                    store.returnHandedOver(id)
                    connection.commit()
                    store.beat(id, emptySet())
                    store.oneClaimedBy(aWorkerOf(store)).let { it.id to it.attempt } shouldBe (job to 1)
                }
            }
        }

        test("while somebody holds an old snapshot no more than a thousand offers that are gone are looked at") {
            val kittiwake = kittiwake()
            val s = kittiwake.schema
            Sleeper.of(kittiwake.store) {
                inTransaction { old ->
                    old.transactionIsolation = Connection.TRANSACTION_REPEATABLE_READ
                    old.createStatement().use { it.execute("select count(*) from $s.offer") }
                    rise()
                    TestDatabase.execute(
                        "insert into $s.offer (lease_id, queue, worker_id, session) " +
                            "select -n, '$images', '${id.value}', 1 from generate_series(1, 3000) as n",
                    )
                    TestDatabase.execute("delete from $s.offer where lease_id < 0")
                    sleepAgain()
                    store.insert(listOf(aJob())).single().isHandedOver shouldBe true
                    heard()
                }
            }
            eventually(20.seconds) { searchesOf(kittiwake) shouldBe "1" }
            entriesReadBy(kittiwake) shouldBeInRange 1L..1_001L
        }

        test("what takes an offer runs with the engine's plans, whatever the caller's session is set to") {
            val kittiwake = kittiwake()
            TestDatabase.query(
                "select unnest(proconfig) from pg_proc where oid = '${kittiwake.schema}.take_offer'::regproc",
            ) shouldContainAll listOf("jit=off", "enable_seqscan=off", "plan_cache_mode=force_generic_plan")
        }

        test("what is handed over unheard is found by polling, once") {
            val kittiwake = kittiwake()
            val schema = kittiwake.schema
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("images")
                jobs(type)
                pollEvery = 100.milliseconds
            }) {
                repeat(3) {
                    eventually(10.seconds) { TestDatabase.count(kittiwake, "offer") shouldBe 1 }
                    val id = JobId(TestDatabase.query(unheard(schema)).single().toLong())
                    events.awaitOf<JobEvent.Completed>(id, within = 10.seconds)
                }
            }
            events.all.value.count { it is JobEvent.Started } shouldBe 3
        }

        test("a queue that runs one job at a time offers nothing, and keeps its order") {
            val kittiwake = kittiwake()
            kittiwake.working(RecordedEvents(), {
                queue("images") { concurrency = 1 }
                jobs(type)
            }) {
                kittiwake.awaitSleepIn("images")
                repeat(3) { kittiwake.awaitEnd(kittiwake.submit(type, Handed()).id).shouldNotBeNull() }
                TestDatabase.query("select is_called from ${kittiwake.schema}.offer_number_seq").single() shouldBe "f"
            }
        }

        test("offers are found by their index, however the caller's session is set") {
            val kittiwake = kittiwake()
            val scans = scansOf(kittiwake)
            Sleeper.of(kittiwake.store) {
                inTransaction { connection ->
                    connection.createStatement().use {
                        it.execute("set local plan_cache_mode = force_custom_plan; set local search_path = 'nowhere'")
                    }
                    kittiwake.enqueue(connection, type, Handed())
                    connection.commit()
                }
                heard()
            }
            eventually(20.seconds) { searchesOf(kittiwake) shouldBe "1" }
            scansOf(kittiwake) shouldBe scans
        }
    })

private fun idFrom(sql: String) = JobId(TestDatabase.query(sql).single().toLong())

/** How many wait for the transaction of [connection]. */
private fun waitsFor(connection: Connection): String {
    val pid = connection.createStatement().use { statement ->
        statement.executeQuery("select pg_backend_pid()").use { it.next().run { it.getInt(1) } }
    }
    return TestDatabase.query("select count(*) from pg_stat_activity where $pid = any(pg_blocking_pids(pid))").single()
}

/** How often the table of offers was read from its beginning to its end, and how often it was searched for a queue. */
private fun scansOf(kittiwake: Kittiwake) = TestDatabase.query(
    "select seq_scan from pg_stat_user_tables where schemaname = '${kittiwake.schema}' and relname = 'offer'",
)

private fun entriesReadBy(kittiwake: Kittiwake) = TestDatabase
    .query(
        "select idx_tup_read from pg_stat_user_indexes where schemaname = '${kittiwake.schema}' and indexrelname = 'offer_queue_idx'",
    ).single()
    .toLong()

private fun searchesOf(kittiwake: Kittiwake) = TestDatabase
    .query(
        "select idx_scan from pg_stat_user_indexes where schemaname = '${kittiwake.schema}' and indexrelname = 'offer_queue_idx'",
    ).single()

/** A hand-over of which nobody is told. */
private fun unheard(schema: String) = """
    with stored as (
        insert into $schema.job (name, queue, by_hand) values ('images', 'images', false) returning id
    ),
    gone as (delete from $schema.offer returning lease_id, worker_id)
    insert into $schema.lease (id, worker_id, job_ids, attempts)
    select lease_id, worker_id, array[id], '{1}' from stored, gone
    returning job_ids[1]
"""
