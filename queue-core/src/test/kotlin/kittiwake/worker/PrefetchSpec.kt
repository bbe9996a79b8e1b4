package kittiwake.worker

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.comparables.shouldBeGreaterThanOrEqualTo
import io.kotest.matchers.comparables.shouldBeLessThanOrEqualTo
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.enqueue.newJob
import kittiwake.event.JobEvent
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.Completion
import kittiwake.store.JobStore
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.serialization.Serializable
import java.sql.SQLException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** What is claimed ahead, on virtual time. */
@OptIn(KittiwakeSpi::class)
class PrefetchSpec :
    FunSpec({
        context("short jobs") {
            test("are claimed ahead twice as many each time, until no place waits for a claim") {
                val claims = Claims(take = 2.milliseconds)
                virtually(claims::from) {
                    enqueue(20_000, 1.milliseconds)
                    val run = working()
                    delay(100.milliseconds)
                    claims.asked.first() shouldBe 8
                    claims.asked.runningFold(0, Int::plus).zip(claims.asked) { before, asked ->
                        asked shouldBeLessThanOrEqualTo 8 + before
                    }
                    val ended = count<JobEvent.Completed>()
                    delay(1.seconds)
                    count<JobEvent.Completed>() - ended shouldBe 8 * 1_000
                    run.stop()
                }
            }
            test("are claimed in time where claims take long") {
                virtually(Claims(take = 60.milliseconds)::from) {
                    enqueue(20_000, 2.milliseconds)
                    val run = working()
                    delay(2.seconds)
                    val ended = count<JobEvent.Completed>()
                    delay(1.seconds)
                    count<JobEvent.Completed>() - ended shouldBe 8 * 500
                    run.stop()
                }
            }
            test("are claimed many at a time, and wait about as long as they are claimed ahead") {
                val claims = Claims(take = 1.milliseconds)
                virtually(claims::from) {
                    enqueue(10_000, 5.milliseconds)
                    val run = working()
                    delay(1.seconds)
                    claims.asked.clear()
                    repeat(300) {
                        delay(7.milliseconds)
                        claims.held shouldBeLessThanOrEqualTo 8 + 8 * 10
                    }
                    claims.asked.min() shouldBeGreaterThanOrEqualTo 8 * 10 / 2
                    run.stop()
                }
            }
        }

        context("long jobs") {
            test("are not claimed ahead, though many end at the same time") {
                val claims = Claims(take = 1.milliseconds)
                virtually(claims::from) {
                    enqueue(200, 60.milliseconds)
                    val run = working()
                    repeat(100) {
                        delay(7.milliseconds)
                        claims.held shouldBeLessThanOrEqualTo 8
                    }
                    run.stop()
                }
            }
            test("after short ones keep what was claimed ahead for a second, and no longer") {
                virtually {
                    enqueue(2_000, 1.milliseconds)
                    val slow = enqueue(200, 10.minutes)
                    val run = working()
                    delay(500.milliseconds)
                    slow.count { stateOf(it) is JobState.Running } shouldBe 200
                    delay(1.seconds)
                    slow.filter { stateOf(it) is JobState.Running } shouldContainExactly slow.take(8)
                    slow.sumOf { memory.find(it)!!.attempts } shouldBe 8
                    delay(5.minutes)
                    count<JobEvent.Released>() shouldBe 200 - 8
                    run.stop()
                }
            }
            test("run in whatever worker has places free, though another had claimed them ahead") {
                virtually {
                    enqueue(2_000, 1.milliseconds)
                    val slow = enqueue(16, 10.seconds)
                    val ana = working { concurrency = 8 }
                    delay(500.milliseconds)
                    slow.count { stateOf(it) is JobState.Running } shouldBe 16
                    val ben = working { concurrency = 8 }
                    delay(1.seconds)
                    slow.map { timesOf<JobEvent.Started>(it).size } shouldContainExactly List(16) { 1 }
                    ana.stop()
                    ben.stop()
                }
            }
            test("and short ones by turns are claimed ahead while they are short") {
                virtually {
                    enqueue(1_000, 1.milliseconds)
                    enqueue(16, 3.seconds)
                    enqueue(1_000, 1.milliseconds)
                    val run = working()
                    delay(7.seconds)
                    count<JobEvent.Completed>() shouldBe 2_016
                    run.stop()
                }
            }
        }

        context("a number") {
            test("is claimed ahead however long the jobs take, and kept however long they wait") {
                val claims = Claims()
                virtually(claims::from) {
                    enqueue(20, 1.minutes)
                    val run = working { prefetch = 5 }
                    repeat(50) {
                        delay(1.seconds)
                        claims.held shouldBe 8 + 5
                    }
                    count<JobEvent.Released>() shouldBe 0
                    run.stop()
                }
            }
            test("of zero claims what can start, and no more") {
                val claims = Claims(take = 1.milliseconds)
                virtually(claims::from) {
                    enqueue(1_000, 5.milliseconds)
                    val run = working { prefetch = 0 }
                    repeat(100) {
                        delay(3.milliseconds)
                        claims.held shouldBeLessThanOrEqualTo 8
                    }
                    run.stop()
                }
            }
        }

        context("a worker that stops while it gives back what waited") {
            suspend fun VirtualWorker.stopped(): Duration {
                enqueue(10_000, takes = ZERO)
                val run = working()
                delay(10.seconds)
                val told = now
                run.stop()
                return now - told
            }

            test("waits until that is written") {
                var isUp = false
                virtually({ WritesLittle(it) { isUp } }) {
                    test.launch {
                        delay(11.seconds)
                        isUp = true
                    }
                    stopped()
                    count<JobEvent.LeaseLost>() shouldBe 0
                    count<JobEvent.Released>() shouldBeGreaterThanOrEqualTo 1_000
                }
            }
            test("waits for no longer than the graces and one lease") {
                virtually({ WritesLittle(it) { false } }) {
                    stopped() shouldBeLessThanOrEqualTo 3.seconds + 2.seconds + 30.seconds
                }
            }
        }
    })

/** A job that takes so long. */
@Serializable
private class Taking(val millis: Long)

private val taking = job<Taking>("q") { handle { delay(it.millis) } }

@OptIn(KittiwakeSpi::class)
private suspend fun VirtualWorker.enqueue(count: Int, takes: Duration): List<JobId> =
    memory.insert(List(count) { taking.newJob(Taking(takes.inWholeMilliseconds)) }).map { it.id }

private fun VirtualWorker.working(configure: QueueBuilder.() -> Unit = {}): Job = run {
    queue("q", configure = configure)
    jobs(taking)
    shutdownGrace = 3.seconds
    cancelGrace = 2.seconds
}

/** A store in which claims take their time, and are counted. */
@OptIn(KittiwakeSpi::class)
private class Claims(private val take: Duration = ZERO) {
    /** How many each claim has asked for. */
    val asked = mutableListOf<Int>()

    /** How many are claimed and have not ended. */
    var held = 0
        private set

    fun from(store: JobStore): JobStore = object : JobStore by store {
        override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> {
            asked += limit
            delay(take)
            return store.claim(worker, queue, limit).also { held += it.size }
        }

        override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
            store.end(worker, jobs).also { held -= jobs.size }
    }
}

/** A store that takes no completion until [isUp] says so. */
@OptIn(KittiwakeSpi::class)
private class WritesLittle(private val store: JobStore, private val isUp: () -> Boolean) : JobStore by store {
    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
        if (isUp()) store.end(worker, jobs) else throw SQLException("no space left on device", "53100")

    override suspend fun putBack(worker: WorkerId, jobs: List<Completion.Return>): Set<JobId> =
        if (isUp()) store.putBack(worker, jobs) else throw SQLException("no space left on device", "53100")
}
