package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.event.JobEvent
import kittiwake.job.Ending
import kittiwake.job.JobState
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kittiwake.worker.WorkerBuilder
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
private class Refused

/** Completions that the server refuses, of a worker that is well otherwise. */
class UnwritableCompletionSpec :
    FunSpec({
        fun WorkerBuilder.soon() {
            queue("c")
            lease = 2.seconds
            heartbeatEvery = 400.milliseconds
            rescueEvery = 200.milliseconds
        }

        test("the job is given back with the reason, and the next attempt completes it") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<Refused>("c")
            kittiwake.refuseToArchive("new.attempt = 1")
            val events = RecordedEvents()
            kittiwake.working(events, {
                soon()
                handle(type) { }
            }) {
                val id = kittiwake.submit(type, Refused()).id
                events.awaitOf<JobEvent.Failed>(id, BOUND).error shouldContain "not this one"
                kittiwake.find(id)!!.state.shouldBeInstanceOf<JobState.Scheduled>()
                TestDatabase.count(kittiwake, "lease") shouldBe 0
                kittiwake.makeAllDue()
                val job = kittiwake.awaitEnd(id, BOUND).shouldNotBeNull()
                (job.state as JobState.Ended).ending shouldBe Ending.COMPLETED
                job.attempts shouldBe 2
            }
        }

        test("no job stays claimed by a worker that can complete none, and it goes on") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<Refused>("c")
            kittiwake.refuseToArchive("new.ending = 'completed'")
            val events = RecordedEvents()
            kittiwake.working(events, {
                soon()
                handle(type) { }
            }) {
                val ids = kittiwake.submitAll(type, List(20) { Refused() }).map { it.id }
                ids.forEach { events.awaitOf<JobEvent.Failed>(it, BOUND) }
                TestDatabase.count(kittiwake, "lease") shouldBe 0
                kittiwake.allowAll()
                kittiwake.makeAllDue()
                ids.forEach { kittiwake.awaitEnd(it, BOUND).shouldNotBeNull().attempts shouldBe 2 }
                eventually(BOUND) { TestDatabase.count(kittiwake, "lease") shouldBe 0 }
            }
            TestDatabase.count(kittiwake, "worker") shouldBe 1
        }
    })

/** The lease and the interval of rescue, with generous room. */
private val BOUND = 30.seconds

/** A trigger of somebody's on the archive, which raises an error for rows of which [condition] holds. */
private fun Kittiwake.refuseToArchive(condition: String) {
    TestDatabase.execute(
        """
        create function $schema.refuse() returns trigger language plpgsql as '
        begin
            raise exception ''not this one'';
        end';
        create trigger refuse before insert on $schema.archive
            for each row when ($condition) execute function $schema.refuse()
        """,
    )
}

private fun Kittiwake.allowAll(): Unit = TestDatabase.execute("drop trigger refuse on $schema.archive")

/** As if the wait for the next attempt were over. */
private fun Kittiwake.makeAllDue(): Unit =
    TestDatabase.execute("update $schema.scheduled set run_at = clock_timestamp()")
