package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.ints.shouldBeGreaterThan
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
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

        test("the job is given back and runs again, and is completed by the attempt that can be written") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<Refused>("c")
            kittiwake.refuseToArchive("new.attempt = 1")
            val events = RecordedEvents()
            kittiwake.working(events, {
                soon()
                handle(type) { }
            }) {
                val id = kittiwake.submit(type, Refused()).id
                val job = kittiwake.awaitEnd(id, BOUND).shouldNotBeNull()
                (job.state as JobState.Ended).ending shouldBe Ending.COMPLETED
                job.attempts shouldBe 2
                events.awaitOf<JobEvent.LeaseLost>(id).attempt shouldBe 1
                events.awaitOf<JobEvent.Completed>(id).attempt shouldBe 2
                eventually(BOUND) { TestDatabase.count(kittiwake, "lease") shouldBe 0 }
            }
        }

        test("no job stays claimed by a worker that can complete none") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<Refused>("c")
            kittiwake.refuseToArchive("new.ending = 'completed'")
            val events = RecordedEvents()
            kittiwake.working(events, {
                soon()
                handle(type) { }
            }) {
                val ids = kittiwake.submitAll(type, List(5) { Refused() }).map { it.id }
                ids.forEach { id ->
                    events.await<JobEvent>(BOUND) { all ->
                        all.find { it is JobEvent.Started && it.id == id && it.attempt == 3 }
                    }
                }
                kittiwake.allowAll()
                ids.forEach { kittiwake.awaitEnd(it, BOUND).shouldNotBeNull().attempts shouldBeGreaterThan 2 }
                eventually(BOUND) { TestDatabase.count(kittiwake, "lease") shouldBe 0 }
            }
        }
    })

/** Giving up takes a lease, the rescue another and its interval; for three attempts, with generous room. */
private val BOUND = 60.seconds

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
