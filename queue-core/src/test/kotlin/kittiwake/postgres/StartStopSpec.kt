package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.longs.shouldBeGreaterThan
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.future.await
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeoutOrNull
import kotlinx.serialization.Serializable
import kotlin.random.Random
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
private class Passing(val millis: Int)

/** Workers that come and go all the time while jobs flow. */
class StartStopSpec :
    FunSpec({
        test("200 workers stopped at random moments end, lose no job and waste no attempt") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val type = job<Passing>("passing") { handle { delay(it.millis.milliseconds) } }

            fun WorkerBuilder.passing() {
                queue("passing") {
                    concurrency = 4
                    prefetch = Random.nextInt(4)
                }
                jobs(type)
                shutdownGrace = Random.nextInt(10).milliseconds
            }

            suspend fun comeAndGo() {
                val worker = kittiwake.worker { passing() }.start()
                kittiwake.submitAll(type, List(JOBS_EACH) { Passing(Random.nextInt(10)) })
                delay(Random.nextInt(60).milliseconds)
                val stopped = worker.stopAsync()
                if (Random.nextBoolean()) worker.stopAsync()
                withTimeoutOrNull(30.seconds) { stopped.await().let { true } }.shouldNotBeNull()
            }

            coroutineScope {
                List(AT_ONCE) { launch(Dispatchers.Default) { repeat(WORKERS / AT_ONCE) { comeAndGo() } } }.joinAll()
            }
            TestDatabase.count(kittiwake, "lease") shouldBe 0
            val done = TestDatabase.count(kittiwake, "archive")
            done shouldBeGreaterThan 0
            TestDatabase.count(kittiwake, "ready") shouldBe ALL - done
            kittiwake.working(RecordedEvents(), { passing() }) {
                eventually(60.seconds) { TestDatabase.count(kittiwake, "archive") shouldBe ALL }
            }
            val ends = "select distinct ending || ' ' || attempt from ${kittiwake.schema}.archive"
            TestDatabase.query(ends) shouldBe listOf("completed 1")
        }
    })

private const val WORKERS = 200
private const val AT_ONCE = 4
private const val JOBS_EACH = 10
private const val ALL = WORKERS * JOBS_EACH.toLong()
