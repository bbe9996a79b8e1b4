package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContain
import io.kotest.matchers.collections.shouldNotBeEmpty
import io.kotest.matchers.comparables.shouldBeLessThan
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.jobStoreContract
import kittiwake.testing.working
import kotlinx.serialization.Serializable
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

@Serializable
private class Silent

@OptIn(KittiwakeSpi::class)
class NotificationsOffSpec :
    FunSpec({
        val type = job<Silent>("silent") { handle { } }

        fun kittiwake(name: String = "silent") =
            TestDatabase.kittiwake(TestDatabase.dataSource { applicationName = name }) { notifications = false }

        fun Kittiwake.another() = Kittiwake.connect(TestDatabase.dataSource) {
            schema = this@another.schema
            notifications = false
        }

        suspend fun Kittiwake.looking(every: Duration, events: RecordedEvents, block: suspend () -> Unit) =
            working(events, {
                queue("silent")
                jobs(type)
                pollEvery = every
            }) { block() }

        include(jobStoreContract { autoClose(kittiwake()).store })

        test("a job that another process enqueues is found by polling") {
            val kittiwake = autoClose(kittiwake())
            val other = autoClose(kittiwake.another())
            val events = RecordedEvents()
            kittiwake.looking(every = 300.milliseconds, events) {
                events.awaitOf<JobEvent.Completed>(other.submit(type, Silent()).id)
                repeat(3) {
                    val enqueued = TimeSource.Monotonic.markNow()
                    events.awaitOf<JobEvent.Started>(other.submit(type, Silent()).id)
                    enqueued.elapsedNow() shouldBeLessThan 5.seconds
                }
            }
        }

        test("a job that this process commits itself needs no poll") {
            val kittiwake = autoClose(kittiwake())
            val events = RecordedEvents()
            kittiwake.looking(every = 10.minutes, events) {
                repeat(5) {
                    events.awaitOf<JobEvent.Completed>(kittiwake.submit(type, Silent()).id, within = 5.seconds)
                }
            }
        }

        test("nobody listens, holds a lock or notifies, while work is done and while there is none") {
            val kittiwake = autoClose(kittiwake("unheard"))
            val other = autoClose(kittiwake.another())
            val heard = TestDatabase.dataSource.connection
            autoClose(heard)
            heard.createStatement().use { it.execute("listen \"${Schema(kittiwake.schema).channel}\"") }
            val events = RecordedEvents()
            val ours = "from pg_stat_activity where application_name = 'unheard'"

            suspend fun shouldBeQuiet() {
                val queries = TestDatabase.query("select query $ours")
                queries.shouldNotBeEmpty()
                val words = listOf("listen", "kittiwake: sleep", "kittiwake: wake", "notify")
                queries.filter { query -> words.any { it in query.lowercase() } }.shouldBeEmpty()
                // Making room in the archive takes a lock for a moment.
                eventually(5.seconds) {
                    TestDatabase
                        .query("select pid from pg_locks where locktype = 'advisory' and pid in (select pid $ours)")
                        .shouldBeEmpty()
                }
            }
            kittiwake.looking(every = 50.milliseconds, events) {
                events.awaitOf<JobEvent.Completed>(other.submit(type, Silent()).id)
                shouldBeQuiet()
                val inTransaction = TestDatabase.connect { connection ->
                    connection.autoCommit = false
                    other.enqueue(connection, type, Silent()).also { connection.commit() }
                }
                val onItsOwn = kittiwake.submit(type, Silent())
                listOf(inTransaction, onItsOwn).forEach { events.awaitOf<JobEvent.Completed>(it.id) }
                shouldBeQuiet()
            }
            heard
                .unwrap(org.postgresql.PGConnection::class.java)
                .getNotifications(1)
                ?.toList()
                .orEmpty()
                .shouldBeEmpty()
        }

        test("a transaction in two phases may enqueue") {
            val kittiwake = autoClose(kittiwake())
            if (TestDatabase.query("show max_prepared_transactions").single() == "0") return@test
            val events = RecordedEvents()
            val transaction = "two phases of ${kittiwake.schema}"
            kittiwake.looking(every = 50.milliseconds, events) {
                val id = TestDatabase.connect { connection ->
                    connection.autoCommit = false
                    kittiwake.enqueue(connection, type, Silent()).id.also {
                        connection.createStatement().use { it.execute("prepare transaction '$transaction'") }
                    }
                }
                kittiwake.find(id) shouldBe null
                TestDatabase.query("select gid from pg_prepared_xacts") shouldContain transaction
                TestDatabase.execute("commit prepared '$transaction'")
                events.awaitOf<JobEvent.Completed>(id).shouldNotBeNull()
            }
        }
    })
