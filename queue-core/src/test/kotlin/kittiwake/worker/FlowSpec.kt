package kittiwake.worker

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.comparables.shouldBeLessThanOrEqualTo
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.JobStore
import kittiwake.store.Promotion
import kittiwake.store.Wakeups
import kotlinx.coroutines.delay
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** A worker that keeps up with jobs that come one by one, on virtual time. */
@OptIn(KittiwakeSpi::class)
class FlowSpec :
    FunSpec({
        val arrival = job<Args>("q") { handle { } }

        fun VirtualWorker.working() = run {
            queue("q")
            jobs(arrival)
        }

        suspend fun VirtualWorker.arrive(perMillisecond: Int, time: Duration): List<Pair<Duration, JobId>> =
            List(time.inWholeMilliseconds.toInt()) {
                delay(1.milliseconds)
                List(perMillisecond) { now to enqueue(arrival, Args(it)) }
            }.flatten()

        fun VirtualWorker.late(arrived: List<Pair<Duration, JobId>>): Duration =
            arrived.maxOf { (since, id) -> timesOf<JobEvent.Completed>(id).single() - since }

        test("jobs that come fast are claimed some at a time, and nobody has to signal") {
            val watched = Watched()
            virtually(watched::over) {
                val run = working()
                arrive(perMillisecond = 4, 200.milliseconds)
                watched.claims = 0
                val arrived = arrive(perMillisecond = 4, 1.seconds)
                watched.claims shouldBeLessThanOrEqualTo 500
                watched.isQuiet shouldBe false
                delay(10.milliseconds)
                late(arrived) shouldBeLessThanOrEqualTo 5.milliseconds
                run.stop()
            }
        }

        test("a flow that ends leaves a worker that sleeps, and is woken by the next job") {
            val watched = Watched()
            virtually(watched::over) {
                val run = working()
                arrive(perMillisecond = 4, 200.milliseconds)
                delay(200.milliseconds)
                watched.isQuiet shouldBe true
                watched.claims = 0
                delay(500.milliseconds)
                watched.claims shouldBeLessThanOrEqualTo 1
                val next = arrive(perMillisecond = 1, 1.milliseconds)
                delay(5.milliseconds)
                late(next) shouldBeLessThanOrEqualTo 2.milliseconds
                run.stop()
            }
        }

        test("jobs that come slowly start at once") {
            virtually {
                val run = working()
                val arrived =
                    List(100) {
                        delay(5.milliseconds)
                        now to enqueue(arrival, Args(it))
                    }
                delay(5.milliseconds)
                arrived.forEach { (since, id) -> timesOf<JobEvent.Started>(id) shouldBe listOf(since) }
                run.stop()
            }
        }

        test("what is put off while jobs come fast starts a tenth of a second late at most") {
            virtually {
                val run = working()
                arrive(perMillisecond = 4, 200.milliseconds)
                val putOff = enqueue(arrival, Args()) { delay = 50.milliseconds }
                val due = now + 50.milliseconds
                arrive(perMillisecond = 4, 300.milliseconds)
                timesOf<JobEvent.Started>(putOff).single() - due shouldBeLessThanOrEqualTo 105.milliseconds
                run.stop()
            }
        }

        test("to look for what is due takes a small part of the time, far from the store, too") {
            var looks = 0
            val far = { store: JobStore ->
                object : JobStore by store {
                    override suspend fun promote(queue: QueueName, limit: Int): Promotion {
                        looks++
                        delay(50.milliseconds)
                        return store.promote(queue, limit)
                    }
                }
            }
            virtually(far) {
                val run = working()
                arrive(perMillisecond = 4, 500.milliseconds)
                looks = 0
                arrive(perMillisecond = 4, 2.seconds)
                looks shouldBeLessThanOrEqualTo 5
                run.stop()
            }
        }
    })

/** How often a store is asked for jobs, and whether enqueuers are asked to signal. */
@OptIn(KittiwakeSpi::class)
private class Watched {
    var claims = 0
    var isQuiet = false
        private set

    fun over(store: JobStore): JobStore = object : JobStore by store {
        override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> {
            claims++
            return store.claim(worker, queue, limit)
        }

        override fun wakeups(worker: WorkerId, queues: Set<QueueName>): Wakeups {
            val wakeups = store.wakeups(worker, queues)
            return object : Wakeups by wakeups {
                override suspend fun quiet(queue: QueueName) = wakeups.quiet(queue).also { isQuiet = true }

                override suspend fun busy(queue: QueueName) = wakeups.busy(queue).also { isQuiet = false }
            }
        }
    }
}
