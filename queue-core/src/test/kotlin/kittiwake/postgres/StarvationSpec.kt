package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.event.JobEvent
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** A process whose handlers leave no thread of either dispatcher and no connection of its pool to anybody else. */
class StarvationSpec :
    FunSpec({
        /** A worker that would take back what the starved one lost, and works nothing else. */
        suspend fun Kittiwake.rescuing(events: RecordedEvents, test: suspend () -> Unit) = working(events, {
            queue("elsewhere")
            lease = 2.seconds
            heartbeatEvery = 400.milliseconds
            rescueEvery = 200.milliseconds
        }) { test() }

        /** The job that starves the process, and three that it has claimed and has no thread for. */
        suspend fun Kittiwake.starve(process: WorkerProcess): Pair<JobId, List<JobId>> {
            val starving = submit(scripted, ScriptArgs(Script.STARVE)).id
            process.awaitLine("starved")
            val waiting = List(3) { submit(scripted, ScriptArgs(Script.OK)).id }
            eventually(20.seconds) { waiting.forEach { find(it)!!.state.shouldBeInstanceOf<JobState.Running>() } }
            return starving to waiting
        }

        test("keeps its leases for four of their lengths, and its jobs their first attempt") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val gate = Gate(TestDatabase.url, kittiwake.schema)
            val events = RecordedEvents()
            WorkerProcess(TestDatabase.url, kittiwake.schema).use { process ->
                kittiwake.rescuing(events) {
                    val open = gate.close()
                    val (starving, waiting) = kittiwake.starve(process)
                    val starved = TestDatabase.query("select clock_timestamp()").single()
                    eventually(40.seconds) {
                        val isSeen = "seen_at > timestamptz '$starved' + interval '8 seconds'"
                        val seen = "${kittiwake.schema}.worker where ended_at is null and $isSeen"
                        TestDatabase.query("select count(*) from $seen").single() shouldBe "2"
                    }
                    open.close()
                    (waiting + starving).forEach { kittiwake.awaitEnd(it).shouldNotBeNull().attempts shouldBe 1 }
                }
                process.lines.filter { "LeaseLost" in it }.shouldBeEmpty()
            }
            events.all.value.filterIsInstance<JobEvent.Rescued>().shouldBeEmpty()
            TestDatabase.count(kittiwake, "worker") shouldBe 2
        }

        test("still ends in time, names the job that does not stop, and gives back what never started") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val settings = ProcessSettings(grace = ZERO, cancelGrace = 500.milliseconds)
            Gate(TestDatabase.url, kittiwake.schema).close().use {
                WorkerProcess(TestDatabase.url, kittiwake.schema, settings).use { process ->
                    val (starving, waiting) = kittiwake.starve(process)
                    process.terminate(within = 20.seconds) shouldBe SIGTERM_EXIT
                    process.awaitLine("Abandoned job $starving ")
                    process.lines.count { "Abandoned" in it } shouldBe 1
                    kittiwake.find(starving)!!.state.shouldBeInstanceOf<JobState.Running>()
                    waiting.forEach { kittiwake.find(it)!!.run { state to attempts } shouldBe (JobState.Ready to 0) }
                }
            }
        }
    })
