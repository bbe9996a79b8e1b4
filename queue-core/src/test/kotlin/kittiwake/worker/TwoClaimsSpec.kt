package kittiwake.worker

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactlyInAnyOrder
import io.kotest.matchers.comparables.shouldBeLessThanOrEqualTo
import io.kotest.matchers.ints.shouldBeGreaterThan
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.JobStore
import kittiwake.store.Promotion
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import java.io.IOException
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** Two claims of one queue at once, on virtual time. */
@OptIn(KittiwakeSpi::class)
class TwoClaimsSpec :
    FunSpec({
        val noop = job<Args>(QUEUE) { handle { } }

        suspend fun VirtualWorker.enqueue(jobs: Int): List<JobId> = List(jobs) { enqueue(noop, Args(it)) }

        fun VirtualWorker.working(configure: QueueBuilder.() -> Unit = {}): Job = run {
            queue(QUEUE, configure = configure)
            jobs(noop)
        }

        fun VirtualWorker.done() = events.mapNotNull { (_, event) -> (event as? JobEvent.Completed)?.id }

        /** What comes next starts at once: nobody waits for room that there is. */
        suspend fun VirtualWorker.shouldBeAwake() {
            repeat(3) {
                delay(1.seconds)
                val (since, next) = now to enqueue(noop, Args())
                delay(20.milliseconds)
                timesOf<JobEvent.Started>(next).single() - since shouldBeLessThanOrEqualTo 10.milliseconds
            }
        }

        test("are under way while all that were made are filled, and never more") {
            val claims = SlowClaims()
            virtually(claims::over) {
                val jobs = enqueue(6_000)
                val run = working()
                delay(5.seconds)
                done() shouldContainExactlyInAnyOrder jobs
                claims.most shouldBe 2
                shouldBeAwake()
                run.stop()
            }
        }

        test("are not made of a queue that runs one job at a time, and keeps its order") {
            val claims = SlowClaims()
            virtually(claims::over) {
                val jobs = enqueue(1_000)
                val run = working { concurrency = 1 }
                delay(5.seconds)
                claims.most shouldBe 1
                events.mapNotNull { (_, event) -> (event as? JobEvent.Started)?.id } shouldBe jobs
                run.stop()
            }
        }

        test("leave room for what falls due once jobs take long") {
            val long = job<Args>("long") {
                queue = QUEUE
                handle { delay(if (it.n % 2 == 0) 10.minutes else 9.minutes) }
            }
            virtually(SlowClaims()::over) {
                enqueue(3_000)
                repeat(6_000) { enqueue(long, Args(it)) }
                val run = run {
                    queue(QUEUE) { concurrency = 2 }
                    jobs(noop, long)
                }
                val urgent = List(8) { n ->
                    enqueue(noop, Args()) {
                        priority = 10
                        delay = 5.minutes + 19.minutes * n
                    }
                }
                delay(3.hours)
                for ((n, id) in urgent.withIndex()) {
                    val due = 5.minutes + 19.minutes * n
                    val room = events.first { (at, event) -> event is JobEvent.Completed && at >= due }.first
                    timesOf<JobEvent.Started>(id).single() - room shouldBeLessThanOrEqualTo 20.milliseconds
                }
                run.stop()
            }
        }

        test("hold up no other queue when one hangs") {
            val claims = SlowClaims(hang = { queue -> queue == "hung" })
            val types = listOf("hung", "other").map { name ->
                job<Args>(name) { handle { delay((3 + it.n % 5).milliseconds) } }
            }
            virtually(claims::over) {
                types.forEach { type -> repeat(9_000) { enqueue(type, Args(it)) } }
                val run = run {
                    queue("hung", "other") { prefetch = 0 }
                    types.forEach { jobs(it) }
                }
                delay(5.seconds)
                claims.hanging shouldBe 1
                events.count { (_, event) -> event is JobEvent.Completed && event.name == "other" } shouldBeGreaterThan
                    2_400
                run.stop()
            }
        }

        test("that are under way when the worker stops are handed over, and lose nothing") {
            for (after in 40..80 step 3) {
                val claims = SlowClaims()
                virtually(claims::over) {
                    val jobs = enqueue(6_000)
                    val run = working()
                    delay(after.milliseconds)
                    run.stop()
                    count<JobEvent.Completed>() + count<JobEvent.Released>() shouldBe claims.taken
                    jobs.count { stateOf(it) is JobState.Ready } shouldBe jobs.size - count<JobEvent.Completed>()
                }
            }
        }

        test("are not made while jobs come one by one") {
            val claims = SlowClaims()
            virtually(claims::over) {
                val run = working()
                repeat(500) {
                    enqueue(4)
                    delay(1.milliseconds)
                }
                claims.most shouldBe 1
                run.stop()
            }
        }

        for (ahead in listOf(0, 1, 10, 2_000)) {
            test("take no more together than fits, with $ahead ahead") {
                val claims = SlowClaims()
                virtually(claims::over) {
                    val jobs = enqueue(6_000)
                    val run =
                        working {
                            concurrency = 4
                            prefetch = ahead
                        }
                    while (count<JobEvent.Completed>() < jobs.size) {
                        claims.taken - count<JobEvent.Completed>() shouldBeLessThanOrEqualTo 4 + ahead
                        delay(1.milliseconds)
                    }
                    claims.most shouldBe if (ahead > 100) 2 else 1
                    run.stop()
                }
            }
        }

        for (ahead in listOf(0, 100)) {
            test("leave the room that they asked for, when they fail or find nothing, with $ahead ahead") {
                val claims = SlowClaims(fails = { claim -> claim in 20..30 || claim % 7 == 0 })
                virtually(claims::over) {
                    val jobs = enqueue(40 * (ahead + 10))
                    val run = working { prefetch = ahead }
                    delay(60.seconds)
                    done() shouldContainExactlyInAnyOrder jobs
                    claims.failed shouldBeGreaterThan 12
                    claims.stopFailing()
                    shouldBeAwake()
                    run.stop()
                }
            }
        }

        test("of several queues at once are one more than there are queues") {
            val claims = SlowClaims()
            val types = List(4) { n -> job<Args>("q$n") { handle { } } }
            virtually(claims::over) {
                val jobs = types.flatMap { type -> List(4_000) { enqueue(type, Args(it)) } }
                val run = run {
                    types.forEach { queue(it.queue.value) }
                    types.forEach { jobs(it) }
                }
                delay(10.seconds)
                done() shouldContainExactlyInAnyOrder jobs
                claims.most shouldBe types.size + 1
                run.stop()
            }
        }
    })

private const val QUEUE = "q"

/**
 * Claims that take 2 to 4 ms. The first beside another of a queue may [hang] for long. While some [fails], those of
 * which nothing comes take 300 ms more. To promote takes longer than a claim.
 */
@OptIn(KittiwakeSpi::class)
private class SlowClaims(
    private val hang: (queue: String) -> Boolean = { false },
    private var fails: ((claim: Int) -> Boolean)? = null,
) {
    private var begun = 0
    private var underWay = 0
    private val of = mutableMapOf<QueueName, Int>()
    var most = 0
        private set
    var taken = 0
        private set
    var failed = 0
        private set
    var hanging = 0
        private set

    fun stopFailing() {
        fails = null
    }

    fun over(store: JobStore): JobStore = object : JobStore by store {
        override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> {
            val claim = ++begun
            most = maxOf(most, ++underWay)
            of.merge(queue, 1, Int::plus)
            try {
                delay((2 + claim % 3).milliseconds)
                if (hang(queue.value) && of.getValue(queue) > 1 && hanging == 0) {
                    hanging++
                    delay(10.seconds)
                }
                val jobs = if (fails?.invoke(claim) == true) null else store.claim(worker, queue, limit)
                if (jobs.isNullOrEmpty() && fails != null) delay(300.milliseconds)
                taken += jobs?.size ?: throw IOException("claim $claim failed").also { failed++ }
                return jobs
            } finally {
                underWay--
                of.merge(queue, -1, Int::plus)
            }
        }

        override suspend fun promote(queue: QueueName, limit: Int): Promotion {
            delay(5.milliseconds)
            return store.promote(queue, limit)
        }
    }
}
