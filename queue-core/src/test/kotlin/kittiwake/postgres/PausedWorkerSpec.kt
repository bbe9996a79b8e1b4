package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.Ending
import kittiwake.job.JobState
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kotlinx.coroutines.CompletableDeferred
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.seconds

/**
 * A process that stands still (SIGSTOP) until its jobs were run again elsewhere, and then goes on (SIGCONT) where it
 * stood.
 */
@OptIn(KittiwakeSpi::class)
class PausedWorkerSpec :
    FunSpec({
        // So rare a heartbeat that the process writes its endings before it can hear that it was given up for dead.
        val drowsy = ProcessSettings(lease = 90.seconds, heartbeatEvery = 30.seconds)

        for (script in listOf(Script.PASS_GATE, Script.FAIL_BEHIND_GATE)) {
            for (moment in Moment.entries) {
                test("writes nothing of the attempts it was in: it does $script when the next ones $moment") {
                    val kittiwake = autoClose(TestDatabase.kittiwake())
                    val gate = Gate(TestDatabase.url, kittiwake.schema)
                    val events = RecordedEvents()
                    val goOn = CompletableDeferred<Unit>()
                    WorkerProcess(TestDatabase.url, kittiwake.schema, drowsy).use { sleeper ->
                        val closed = gate.close()
                        val ids = kittiwake.submitAll(scripted, List(4) { ScriptArgs(script) }).map { it.id }
                        eventually(30.seconds) { gate.waiting() shouldBe ids.size }
                        sleeper.stop()
                        // As when its lease had run out, which would take as long as it takes.
                        kittiwake.store.rescue(silentFor = ZERO, limit = 100)
                        kittiwake.working(events, {
                            queue("scripted")
                            handle(scripted) { goOn.await() }
                        }) {
                            ids.forEach { events.awaitOf<JobEvent.Started>(it).attempt shouldBe 2 }
                            if (moment == Moment.HAVE_ENDED) goOn.complete(Unit)
                            if (moment == Moment.HAVE_ENDED) ids.forEach { kittiwake.awaitEnd(it) }
                            val written = kittiwake.everything()
                            closed.close()
                            sleeper.wake()
                            ids.forEach { sleeper.awaitLine("LeaseLost job $it ") }
                            kittiwake.everything() shouldBe written
                            goOn.complete(Unit)
                            ids.forEach { id ->
                                val job = kittiwake.awaitEnd(id).shouldNotBeNull()
                                (job.state as JobState.Ended).ending shouldBe Ending.COMPLETED
                                job.attempts shouldBe 2
                            }
                        }
                    }
                }
            }
        }
    })

private enum class Moment(private val words: String) {
    RUN("run"),
    HAVE_ENDED("have ended"),
    ;

    override fun toString() = words
}

/** What the tables hold of jobs. */
private fun Kittiwake.everything(): Map<String, List<String>> =
    listOf("job", "ready", "scheduled", "lease", "attempt", "archive").associateWith { table ->
        TestDatabase.query("select $table::text from $schema.$table order by 1")
    }
