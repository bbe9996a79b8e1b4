package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.longs.shouldBeGreaterThan
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kotlinx.coroutines.CompletableDeferred
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** What SIGTERM leaves behind. */
class ShutdownSpec :
    FunSpec({
        test("under load no attempt is lost: each job is completed with its first, or ready with none made") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val ids = kittiwake.submitAll(scripted, List(20_000) { ScriptArgs(Script.OK) }).map { it.id }
            WorkerProcess(TestDatabase.url, kittiwake.schema, ProcessSettings(concurrency = 50)).use { worker ->
                eventually(30.seconds) { TestDatabase.count(kittiwake, "archive") shouldBeGreaterThan 500 }
                worker.terminate(within = 30.seconds) shouldBe SIGTERM_EXIT
            }
            val ends = TestDatabase.query("select ending || ' ' || attempt from ${kittiwake.schema}.archive")
            val left = TestDatabase.query("select attempt from ${kittiwake.schema}.ready")
            ends.toSet() shouldBe setOf("completed 1")
            left.toSet() shouldBe setOf("0")
            ends.size + left.size shouldBe ids.size
            TestDatabase.count(kittiwake, "lease") shouldBe 0
        }

        test("running jobs that hear of it in time are given back, also those of a full queue behind them") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val ids = kittiwake.submitAll(scripted, List(40) { ScriptArgs(Script.HANG) }).map { it.id }
            val settings = ProcessSettings(concurrency = 10, grace = ZERO)
            WorkerProcess(TestDatabase.url, kittiwake.schema, settings).use { worker ->
                eventually(30.seconds) { worker.lines.count { "Started" in it } shouldBe 10 }
                worker.terminate(within = 30.seconds) shouldBe SIGTERM_EXIT
                eventually(10.seconds) { worker.lines.count { "Released" in it } shouldBe 10 }
            }
            ids.map { kittiwake.find(it)!!.run { state to attempts } }.toSet() shouldBe setOf(JobState.Ready to 0)
        }

        test("a job that does not stop is named, keeps its claim, and runs again only after the lease") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val id = kittiwake.submit(scripted, ScriptArgs(Script.SPIN)).id
            val settings = ProcessSettings(grace = ZERO, cancelGrace = 300.milliseconds)
            WorkerProcess(TestDatabase.url, kittiwake.schema, settings).use { worker ->
                worker.awaitLine("Started job $id ")
                worker.terminate(within = 20.seconds) shouldBe SIGTERM_EXIT
                worker.awaitLine("Abandoned job $id ")
            }
            val first = kittiwake.find(id)!!.state.shouldBeInstanceOf<JobState.Running>()
            val started = CompletableDeferred<JobId>()
            val goOn = CompletableDeferred<Unit>()
            kittiwake.working(RecordedEvents(), {
                queue("scripted")
                lease = 2.seconds
                heartbeatEvery = 400.milliseconds
                rescueEvery = 100.milliseconds
                handle(scripted) {
                    started.complete(this.id)
                    goOn.await()
                }
            }) {
                started.await() shouldBe id
                val silence = "lease.claimed_at - dead.seen_at > interval '2 seconds'"
                val dead = "${kittiwake.schema}.worker dead where dead.id = '${first.worker}'"
                TestDatabase.query("select $silence from ${kittiwake.schema}.lease, $dead").single() shouldBe "t"
                goOn.complete(Unit)
                kittiwake.awaitEnd(id).shouldNotBeNull().attempts shouldBe 2
            }
        }
    })

internal const val SIGTERM_EXIT = 143
