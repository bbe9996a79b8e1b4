package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactlyInAnyOrder
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.event.JobEvent
import kittiwake.job.JobId
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.days

@Serializable
private class RefusedArgs(val n: Int)

/** What a user's own schema may do to a completion: here, a row that still refers to the job. */
class RefusedCompletionSpec :
    FunSpec({
        test("a job that a row of the user's still refers to is put back, and the rest of its batch is completed") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<RefusedArgs>("refused") { handle {} }
            val refs = kittiwake.submitAll(type, List(20) { RefusedArgs(it) })
            val kept = refs[7].id
            TestDatabase.execute(
                "create table ${kittiwake.schema}.note (job_id bigint references ${kittiwake.schema}.job (id));" +
                    "insert into ${kittiwake.schema}.note values ($kept)",
            )
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("refused") { concurrency = 20 }
                jobs(type)
            }) {
                val failed = events.awaitOf<JobEvent.Failed>(kept)
                failed.error shouldContain "could not be written"
                val completed: List<JobId> =
                    events.await { all ->
                        all.filterIsInstance<JobEvent.Completed>().map { it.id }.takeIf { it.size >= 19 }
                    }
                completed shouldContainExactlyInAnyOrder refs.map { it.id } - kept
            }
            kittiwake.find(kept)!!.attempts shouldBe 1
            events.all.value.none { it is JobEvent.LeaseLost } shouldBe true
        }
        test("a job put off beyond the calendar waits as long as can be, and its worker goes on") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type =
                job<RefusedArgs>("refused") {
                    retry = fixed(200_000_000.days)
                    decide { args -> if (args.n == 0) snooze(200_000_000.days) else error("broken") }
                }
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("refused")
                jobs(type)
            }) {
                events.awaitOf<JobEvent.Snoozed>(kittiwake.submit(type, RefusedArgs(0)).id)
                events.awaitOf<JobEvent.Failed>(kittiwake.submit(type, RefusedArgs(1)).id)
            }
            events.all.value.none { it is JobEvent.LeaseLost } shouldBe true
        }
    })
