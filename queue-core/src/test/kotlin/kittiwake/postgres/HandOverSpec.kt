package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
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
import kittiwake.testing.aWorkerOf
import kittiwake.testing.awaitSleepIn
import kittiwake.testing.images
import kittiwake.testing.oneClaimedBy
import kittiwake.testing.working
import kotlinx.serialization.Serializable
import java.sql.Connection
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

        fun onJdbc(kittiwake: Kittiwake, options: EnqueueOptions.() -> Unit = {}): JobId =
            TestDatabase.inTransaction { connection ->
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

        test("where nothing is offered, whoever sleeps is told to look") {
            val kittiwake = kittiwake()
            val schema = kittiwake.schema
            val elsewhere = autoClose(Kittiwake.connect(TestDatabase.dataSource) { this.schema = schema })
            Sleeper.of(kittiwake.store, offers = false) {
                isRungBy { onJdbc(elsewhere) }
                isRungBy { elsewhere.submit(type, Handed()) }
                isRungBy { TestDatabase.query("select $schema.enqueue('images')") }
                isRungBy { TestDatabase.execute("insert into $schema.job (name) values ('images')") }
                handedOver.value.shouldBeEmpty()
            }
        }

        test("a rollback, of a savepoint too, takes the job back and leaves the offer") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                TestDatabase.inTransaction { connection ->
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
                TestDatabase.inTransaction { slow ->
                    val late = kittiwake.enqueue(slow, type, Handed()).id
                    TestDatabase.inTransaction { quick ->
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
                    TestDatabase.inTransaction { strict ->
                        strict.transactionIsolation = level
                        strict.createStatement().use { it.execute("select count(*) from ${kittiwake.schema}.offer") }
                        TestDatabase.inTransaction { other ->
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
    })

private fun idFrom(sql: String) = JobId(TestDatabase.query(sql).single().toLong())
