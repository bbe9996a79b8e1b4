package kittiwake.postgres

import io.kotest.assertions.withClue
import io.kotest.core.annotation.Tags
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.ints.shouldBeLessThanOrEqual
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes

/** One job that ends the process that runs it, among others that do no harm. */
@Tags("AnyJdk")
class PoisonSpec :
    FunSpec({
        suspend fun Kittiwake.endingOf(id: JobId) = (find(id).shouldNotBeNull().state as? JobState.Ended)?.ending

        /** Starts a worker whenever there is none, until all jobs have ended; how many of them the poison has halted. */
        suspend fun Kittiwake.workUntilEnded(ids: List<JobId>, concurrency: Int): Int = coroutineScope {
            var halted = 0
            val ended = async { ids.forEach { awaitEnd(it, 2.minutes).shouldNotBeNull() } }
            while (ended.isActive) {
                WorkerProcess(TestDatabase.url, schema, ProcessSettings(concurrency)).use { worker ->
                    while (worker.isAlive && ended.isActive) delay(20.milliseconds)
                    if (!worker.isAlive) halted++
                }
            }
            ended.await()
            halted
        }

        for (concurrency in listOf(4, 50)) {
            test("ends discarded after three crashes, and none of the 49 beside it does, $concurrency at a time") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val scripts = List(50) { if (it == 20) Script.HALT else Script.TAKE_A_MOMENT }
                val ids = kittiwake.submitAll(scripted, scripts.map(::ScriptArgs)).map { it.id }
                kittiwake.workUntilEnded(ids, concurrency) shouldBe 3
                ids.filter { kittiwake.endingOf(it) != Ending.COMPLETED } shouldContainExactly listOf(ids[20])
                val poison = kittiwake.find(ids[20]).shouldNotBeNull()
                (poison.state as JobState.Ended).ending shouldBe Ending.DISCARDED
                poison.failures.map { it.attempt } shouldContainExactly listOf(1, 2, 3)
                poison.failures.last().error shouldContain "3 such crashes"
                for (id in ids) withClue(id) { kittiwake.find(id)!!.attempts shouldBeLessThanOrEqual 4 }
            }
        }
    })
