package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.annotation.Tags
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactlyInAnyOrder
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.event.JobEvent
import kittiwake.job.Ending
import kittiwake.job.JobState
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.StoppableServer
import kittiwake.testing.TestDatabase
import kittiwake.testing.Wire
import kittiwake.testing.working
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.delay
import kotlinx.serialization.Serializable
import javax.sql.DataSource
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
private class O

/** The database is away for three leases, and every owner of a job survives that. */
@Tags("AnyJdk")
class OutageSpec :
    FunSpec({
        test("starts nothing twice when the connections break and new ones are refused") {
            val wire = autoClose(Wire(TestDatabase.url))
            Outage(wire.dataSource, TestDatabase.dataSource).startsNothingTwice(wire::cut, wire::heal)
        }

        test("starts nothing twice when packets vanish") {
            val wire = autoClose(Wire(TestDatabase.url))
            Outage(wire.dataSource, TestDatabase.dataSource).startsNothingTwice(wire::mute, wire::heal)
        }

        test("starts nothing twice when the server crashes and is started again") {
            val server = autoClose(StoppableServer())
            Outage(server.dataSource, server.dataSource).startsNothingTwice(server::stop, server::start)
        }
    })

/** Two workers that reach the server by way of [workers], and a test that looks at it by way of [look]. */
private class Outage(private val workers: DataSource, private val look: DataSource) {
    private val type = job<O>("o")
    private val mySchema = TestDatabase.freshSchema()
    private val events = RecordedEvents()
    private val goOn = CompletableDeferred<Unit>()

    private fun connect(source: DataSource) = Kittiwake.connect(source) { schema = mySchema }

    suspend fun startsNothingTwice(begin: () -> Unit, end: () -> Unit) {
        connect(look).use { kittiwake ->
            kittiwake.migrate()
            val ids = kittiwake.submitAll(type, List(2 * EACH) { O() }).map { it.id }
            working {
                working {
                    awaitAll<JobEvent.Started>(ids.size)
                    begin()
                    delay(lease * 3)
                    end()
                    awaitTwoLeasesOfContact()
                    goOn.complete(Unit)
                    ids.forEach { id ->
                        val job = kittiwake.awaitEnd(id).shouldNotBeNull()
                        (job.state as JobState.Ended).ending shouldBe Ending.COMPLETED
                        job.attempts shouldBe 1
                    }
                    awaitAll<JobEvent.Completed>(ids.size)
                }
            }
            val started = events.all.value.filterIsInstance<JobEvent.Started>()
            started.map { it.id } shouldContainExactlyInAnyOrder ids
            events.all.value.filterNot { it is JobEvent.Started || it is JobEvent.Completed }.shouldBeEmpty()
        }
    }

    private suspend inline fun <reified E : JobEvent> awaitAll(count: Int): Unit =
        events.await { all -> Unit.takeIf { all.count { it is E } == count } }

    private suspend fun working(test: suspend () -> Unit): Unit = connect(workers).use { kittiwake ->
        kittiwake.working(events, {
            queue("o") { concurrency = EACH }
            lease = this@Outage.lease
            heartbeatEvery = 400.milliseconds
            rescueEvery = 100.milliseconds
            handle(type) { goOn.await() }
        }) { test() }
    }

    /** So long rescuers must have had the chance, and the reason, to do wrong. */
    private suspend fun awaitTwoLeasesOfContact() {
        val healed = query("select clock_timestamp()")
        eventually(60.seconds) {
            val alive = "$mySchema.worker where ended_at is null"
            val seen = "seen_at > timestamptz '$healed' + interval '${lease * 2}'"
            query("select count(*) from $alive and $seen") shouldBe "2"
            query("select count(*) from $mySchema.worker") shouldBe "2"
        }
    }

    private fun query(sql: String): String = look.connection.use { connection ->
        connection.createStatement().use { statement ->
            statement.executeQuery(sql).use { rows -> rows.apply { next() }.getString(1) }
        }
    }

    private val lease = 2.seconds

    private companion object {
        const val EACH = 5
    }
}
