package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.seconds

/** Real processes and real signals. */
class WorkerProcessSpec :
    FunSpec({
        suspend fun Kittiwake.enqueue(script: Script, attempts: Int = 20): JobId =
            if (attempts == 20) submit(scripted, ScriptArgs(script)).id else limited(script, attempts)

        suspend fun Kittiwake.awaitRunning(id: JobId): JobState.Running =
            eventually(30.seconds) { find(id).shouldNotBeNull().state.shouldBeInstanceOf<JobState.Running>() }

        suspend fun Kittiwake.ending(id: JobId): Ending? = (awaitEnd(id, 40.seconds)?.state as? JobState.Ended)?.ending

        test("a job whose worker is killed with SIGKILL runs again elsewhere, and the attempt counts") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            WorkerProcess(TestDatabase.url, kittiwake.schema).use { victim ->
                val id = kittiwake.enqueue(Script.HANG)
                val first = kittiwake.awaitRunning(id)
                victim.kill()
                WorkerProcess(TestDatabase.url, kittiwake.schema).use { other ->
                    val second =
                        eventually(30.seconds) { kittiwake.awaitRunning(id).also { it.attempt shouldBe 2 } }
                    (second.worker == first.worker) shouldBe false
                    kittiwake.find(id)!!.failures.single().error shouldContain "silent"
                    other.isAlive shouldBe true
                }
            }
        }

        test("a job that always kills its worker ends discarded after its attempts, not never") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val id = kittiwake.enqueue(Script.HALT, attempts = 2)
            repeat(2) { WorkerProcess(TestDatabase.url, kittiwake.schema).use { it.awaitExit() shouldBe 137 } }
            val bystander = kittiwake.enqueue(Script.OK)
            WorkerProcess(TestDatabase.url, kittiwake.schema).use {
                kittiwake.ending(bystander) shouldBe Ending.COMPLETED
                kittiwake.ending(id) shouldBe Ending.DISCARDED
            }
            kittiwake.find(id)!!.failures.map { it.attempt } shouldContainExactly listOf(1, 2)
        }

        test("SIGTERM lets running jobs finish within the grace") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            WorkerProcess(TestDatabase.url, kittiwake.schema).use { worker ->
                val id = kittiwake.enqueue(Script.TAKE_A_WHILE)
                kittiwake.awaitRunning(id)
                worker.terminate() shouldBe SIGTERM_EXIT
                (kittiwake.find(id)!!.state as JobState.Ended).ending shouldBe Ending.COMPLETED
                TestDatabase.count(kittiwake, "lease") shouldBe 0
            }
        }

        test("SIGTERM gives back at once what outlasts the grace, at no cost of an attempt") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            WorkerProcess(TestDatabase.url, kittiwake.schema, ProcessSettings(grace = ZERO)).use { worker ->
                val id = kittiwake.enqueue(Script.HANG)
                kittiwake.awaitRunning(id)
                worker.terminate() shouldBe SIGTERM_EXIT
                kittiwake.find(id)!!.state shouldBe JobState.Ready
                kittiwake.find(id)!!.attempts shouldBe 0
            }
        }

        test("a worker can be stopped from another process") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            WorkerProcess(TestDatabase.url, kittiwake.schema).use { worker ->
                val id = kittiwake.enqueue(Script.TAKE_A_WHILE)
                kittiwake.stop(kittiwake.awaitRunning(id).worker) shouldBe true
                worker.awaitExit() shouldBe 0
                (kittiwake.find(id)!!.state as JobState.Ended).ending shouldBe Ending.COMPLETED
            }
            kittiwake.stop(WorkerId.random()) shouldBe false
        }
    })

private suspend fun Kittiwake.limited(script: Script, attempts: Int): JobId {
    val type = job<ScriptArgs>("scripted") { maxAttempts = attempts }
    return submit(type, ScriptArgs(script)).id
}
