package kittiwake.worker

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContain
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.ClaimedJob
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.job.JobType
import kittiwake.job.WorkerId
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.store.JobStore
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.testTimeSource
import java.sql.SQLException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** Jobs that were aboard two crashes, at a worker. */
@OptIn(KittiwakeSpi::class)
class SuspectsSpec :
    FunSpec({
        /** As many jobs, each of which has been aboard when two workers fell silent. */
        suspend fun VirtualWorker.suspects(type: JobType<Args, *>, count: Int): List<JobId> {
            val ids = List(count) { enqueue(type, Args(it)) }
            repeat(2) {
                val victim = WorkerId.random()
                memory.join(victim, "a victim", setOf(type.queue))
                memory.claim(victim, type.queue, count)
                memory.rescue(silentFor = ZERO, limit = 10)
            }
            return ids
        }

        fun taking(time: Duration) = job<Args>("images") { handle { delay(time) } }

        test("run one at a time, in their order, while other jobs run beside them") {
            virtually {
                val type = taking(1.seconds)
                val suspects = suspects(type, 3)
                val others = List(3) { enqueue(type, Args(it)) }
                val run =
                    run {
                        queue("images") { concurrency = 6 }
                        jobs(type)
                    }
                delay(1.minutes)
                run.stop()
                suspects.map { timesOf<JobEvent.Started>(it).single() } shouldContainExactly
                    listOf(ZERO, 1.seconds, 2.seconds)
                others.map { timesOf<JobEvent.Started>(it).single() } shouldContainExactly listOf(ZERO, ZERO, ZERO)
                count<JobEvent.Completed>() shouldBe 6
            }
        }
        test("of different queues of a worker run one at a time, too") {
            virtually {
                val (a, b) = listOf("a", "b").map { job<Args>(it) { handle { delay(1.seconds) } } }
                val ids = suspects(a, 1) + suspects(b, 1)
                val run =
                    run {
                        queue("a")
                        queue("b")
                        jobs(a, b)
                    }
                delay(1.minutes)
                run.stop()
                ids.map { timesOf<JobEvent.Started>(it).single() }.sorted() shouldContainExactly listOf(ZERO, 1.seconds)
            }
        }
        test("pass the turn on when they fail") {
            virtually {
                val type =
                    job<Args>("images") {
                        retry = fixed(1.hours)
                        handle {
                            delay(1.seconds)
                            error("broken")
                        }
                    }
                val (first, second) = suspects(type, 2)
                val run =
                    run {
                        queue("images")
                        jobs(type)
                    }
                delay(10.seconds)
                timesOf<JobEvent.Failed>(first).single().inWholeSeconds shouldBe 1
                timesOf<JobEvent.Failed>(second).single().inWholeSeconds shouldBe 2
                run.stop()
            }
        }
        test("are not timed while they wait") {
            virtually {
                val type =
                    job<Args>("images") {
                        timeout = 2.seconds
                        handle { delay(1_500.milliseconds) }
                    }
                val ids = suspects(type, 3)
                val run =
                    run {
                        queue("images")
                        jobs(type)
                    }
                delay(1.minutes)
                run.stop()
                ids.map { endingOf(it) } shouldContainExactly List(3) { Ending.COMPLETED }
            }
        }
        test("that wait are released at once when the worker stops, at no cost of an attempt") {
            virtually {
                val type = taking(5.seconds)
                val (first, second, third) = suspects(type, 3)
                val run =
                    run {
                        queue("images")
                        jobs(type)
                        shutdownGrace = 20.seconds
                    }
                delay(1.seconds)
                run.stop()
                now.inWholeSeconds shouldBe 5
                endingOf(first) shouldBe Ending.COMPLETED
                for (waiting in listOf(second, third)) {
                    timesOf<JobEvent.Released>(waiting).single().inWholeSeconds shouldBe 1
                    timesOf<JobEvent.Started>(waiting).shouldBeEmpty()
                    stateOf(waiting) shouldBe JobState.Ready
                    memory.find(waiting)!!.attempts shouldBe 2
                }
            }
        }
        test("that wait can be cancelled, and the others keep their turn") {
            virtually {
                val type = taking(10.seconds)
                val (_, second, third) = suspects(type, 3)
                val run =
                    run {
                        queue("images")
                        jobs(type)
                        heartbeatEvery = 1.seconds
                    }
                delay(500.milliseconds)
                memory.cancel(second)
                delay(2.seconds)
                timesOf<JobEvent.Cancelled>(second).single().inWholeSeconds shouldBe 1
                delay(1.minutes)
                timesOf<JobEvent.Started>(third).single() shouldBe 10.seconds
                timesOf<JobEvent.Started>(second).shouldBeEmpty()
                run.stop()
            }
        }
        test("that wait when their worker is given up for dead do not start in that life of it") {
            virtually {
                val type = taking(1.hours)
                val (first, second) = suspects(type, 2)
                val run =
                    run {
                        queue("images")
                        jobs(type)
                        heartbeatEvery = 1.seconds
                    }
                delay(500.milliseconds)
                memory.rescue(silentFor = ZERO, limit = 10)
                delay(10.seconds)
                endingOf(first) shouldBe Ending.DISCARDED
                val told = events.map { it.second }.filter { it.id == second }
                told.map { it::class } shouldContainExactly listOf(JobEvent.LeaseLost::class, JobEvent.Started::class)
                run.stop()
            }
        }
        test("do not become of jobs whose worker was killed while it stopped") {
            virtually {
                val type = taking(1.hours)
                val id = enqueue(type, Args())
                val run =
                    run {
                        queue("images")
                        jobs(type)
                        shutdownGrace = 1.minutes
                    }
                delay(1.seconds)
                run.cancel()
                delay(1.seconds)
                memory.rescue(silentFor = ZERO, limit = 10).single().attempt shouldBe 1
                val other = WorkerId.random()
                memory.join(other, "another", setOf(type.queue))
                memory.claim(other, type.queue, 1).single { it.id == id }.crashes shouldBe 0
                run.join()
            }
        }
        test("become of jobs whose worker dies while it stops because it has run out of memory") {
            virtually {
                val type =
                    job<Args>("images") {
                        handle { args -> if (args.n == 0) throw OutOfMemoryError("in a test") else delay(1.hours) }
                    }
                enqueue(type, Args(0))
                val beside = enqueue(type, Args(1))
                val worker =
                    worker(store) {
                        queue("images")
                        jobs(type)
                        timeSource = test.testTimeSource
                    }
                val run = test.launch { shouldThrow<OutOfMemoryError> { worker.run() } }
                delay(1.seconds)
                memory.rescue(silentFor = ZERO, limit = 10).map { it.id } shouldContain beside
                val other = WorkerId.random()
                memory.join(other, "another", setOf(type.queue))
                memory.claim(other, type.queue, 2).single { it.id == beside }.crashes shouldBe 1
                run.join()
            }
        }
        test("do not start before that is written down, however long the database is away") {
            var isDown = true
            virtually({ store -> RefusesToAnnounce(store) { isDown } }) {
                val type = taking(1.seconds)
                val suspect = suspects(type, 1).single()
                val other = enqueue(type, Args())
                val run =
                    run {
                        queue("images")
                        jobs(type)
                    }
                delay(1.minutes)
                timesOf<JobEvent.Started>(suspect).shouldBeEmpty()
                endingOf(other) shouldBe Ending.COMPLETED
                isDown = false
                delay(10.seconds)
                endingOf(suspect) shouldBe Ending.COMPLETED
                run.stop()
            }
        }
        test("that wait for the database are released when the worker stops") {
            virtually({ store -> RefusesToAnnounce(store) { true } }) {
                val type = taking(1.seconds)
                val suspect = suspects(type, 1).single()
                val run =
                    run {
                        queue("images")
                        jobs(type)
                    }
                delay(1.minutes)
                run.stop()
                stateOf(suspect) shouldBe JobState.Ready
                memory.find(suspect)!!.attempts shouldBe 2
            }
        }
    })

/** A store that cannot write down who starts while [isDown] says so. */
@OptIn(KittiwakeSpi::class)
private class RefusesToAnnounce(private val store: JobStore, private val isDown: () -> Boolean) : JobStore by store {
    override suspend fun announce(claim: ClaimedJob): Boolean {
        if (isDown()) throw SQLException("the server is down", "57P03")
        return store.announce(claim)
    }
}
