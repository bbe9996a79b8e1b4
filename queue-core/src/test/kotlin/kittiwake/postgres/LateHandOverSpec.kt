package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.JobId
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.Sleeper
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.aWorkerOf
import kittiwake.testing.images
import kittiwake.testing.insertOne
import kittiwake.testing.oneClaimedBy
import kittiwake.testing.working
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.serialization.Serializable
import java.sql.Connection
import java.sql.SQLException
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
private class Late

/** A job that is handed over to a worker which does not hear of it, cannot take it up, or is about to leave. */
@OptIn(KittiwakeSpi::class)
class LateHandOverSpec :
    FunSpec({
        val type = job<Late>("images") { handle { } }

        fun kittiwake() = autoClose(TestDatabase.kittiwake())

        test("what is committed as its worker leaves goes back at once") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                TestDatabase.inTransaction { connection ->
                    val job = kittiwake.enqueue(connection, type, Late()).id
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
                TestDatabase.inTransaction { connection ->
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

        test("what is committed while its worker drains goes back with the next heartbeat") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                TestDatabase.inTransaction { connection ->
                    val job = kittiwake.enqueue(connection, type, Late()).id
                    store.returnHandedOver(id)
                    connection.commit()
                    store.beat(id, emptySet())
                    store.oneClaimedBy(aWorkerOf(store)).let { it.id to it.attempt } shouldBe (job to 1)
                }
            }
        }

        test("what could not be taken up goes back with the next heartbeat") {
            val kittiwake = kittiwake()
            val schema = kittiwake.schema
            Sleeper.of(kittiwake.store) {
                val job = store.insertOne(aJob(maxAttempts = 2))
                val lease = heard().single()
                TestDatabase.execute("alter table $schema.lease rename to gone")
                shouldThrow<SQLException> { store.takeUp(id, images, lease) }
                TestDatabase.execute("alter table $schema.gone rename to lease")
                store.beat(id, emptySet())
                store.oneClaimedBy(aWorkerOf(store)).let { it.id to it.attempt } shouldBe (job to 1)
            }
        }

        test("nothing is left of a lease whose job was cancelled before it was taken up") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                store.cancel(store.insertOne())
                store.takeUp(id, images, heard().single()).shouldBeNull()
                store.beat(id, emptySet())
                TestDatabase.count(kittiwake, "lease") shouldBe 0
            }
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
    })

/** How many wait for the transaction of [connection]. */
private fun waitsFor(connection: Connection): String {
    val pid = connection.createStatement().use { statement ->
        statement.executeQuery("select pg_backend_pid()").use { it.next().run { it.getInt(1) } }
    }
    return TestDatabase.query("select count(*) from pg_stat_activity where $pid = any(pg_blocking_pids(pid))").single()
}

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
