package kittiwake.worker

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.ClaimedJob
import kittiwake.job.Ending
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.JobStore
import kittiwake.store.Wakeups
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.delay
import java.sql.SQLException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** What enqueuers hand over to a worker that sleeps, on virtual time. */
@OptIn(KittiwakeSpi::class)
class HandOverSpec :
    FunSpec({
        fun typeOf(duration: Duration) = job<Args>("images") { handle { delay(duration) } }

        fun VirtualWorker.working(duration: Duration, places: Int = 4) = run {
            queue("images") { concurrency = places }
            jobs(typeOf(duration))
            pollEvery = 10.minutes
        }

        test("a sleeping worker begins with each job at once, without a claim") {
            val shore = Shore()
            virtually(shore::of) {
                val run = working(1.milliseconds)
                delay(1.seconds)
                val claims = shore.claims
                repeat(20) {
                    val enqueued = now
                    val id = enqueue(typeOf(ZERO), Args())
                    delay(50.milliseconds)
                    timesOf<JobEvent.Started>(id) shouldContainExactly listOf(enqueued)
                    endingOf(id) shouldBe Ending.COMPLETED
                }
                shore.claims shouldBe claims
                run.stop()
            }
        }

        test("while jobs come fast they are claimed many at once") {
            val shore = Shore()
            virtually(shore::of) {
                val run = working(ZERO)
                delay(1.seconds)
                repeat(500) {
                    enqueue(typeOf(ZERO), Args())
                    delay(1.milliseconds)
                }
                delay(1.seconds)
                count<JobEvent.Completed>() shouldBe 500
                (shore.takenUp < 100) shouldBe true
                run.stop()
            }
        }

        test("one job at a time is never handed over") {
            val shore = Shore()
            virtually(shore::of) {
                val run = working(1.milliseconds, places = 1)
                delay(1.seconds)
                repeat(5) {
                    enqueue(typeOf(ZERO), Args())
                    delay(50.milliseconds)
                }
                count<JobEvent.Completed>() shouldBe 5
                shore.takenUp shouldBe 0
                run.stop()
            }
        }

        test("a job for which there is no room any more goes back, and to somebody else") {
            val shore = Shore()
            virtually(shore::of) {
                val run = working(1.minutes, places = 2)
                delay(1.seconds)
                shore.isDeaf = true
                val late = enqueue(typeOf(ZERO), Args())
                repeat(2) { enqueue(typeOf(ZERO), Args()) }
                delay(10.milliseconds)
                count<JobEvent.Started>() shouldBe 2
                shore.hear()
                delay(10.milliseconds)
                stateOf(late) shouldBe JobState.Ready
                memory.find(late)!!.attempts shouldBe 0
                run.stop()
            }
        }

        test("a job of which nobody has heard is found by the next poll") {
            val shore = Shore()
            virtually(shore::of) {
                val run =
                    run {
                        queue("images")
                        jobs(typeOf(1.milliseconds))
                        pollEvery = 5.seconds
                    }
                delay(1.seconds)
                shore.isDeaf = true
                val id = enqueue(typeOf(ZERO), Args())
                shore.isDeaf = false
                delay(6.seconds)
                endingOf(id) shouldBe Ending.COMPLETED
                run.stop()
            }
        }

        test("a job that is handed over as the worker stops goes back at no cost") {
            val shore = Shore()
            virtually(shore::of) {
                val run = working(1.milliseconds)
                delay(1.seconds)
                shore.gate = CompletableDeferred()
                val first = enqueue(typeOf(ZERO), Args())
                delay(1.milliseconds)
                shore.offer()
                val second = enqueue(typeOf(ZERO), Args())
                delay(1.milliseconds)
                run.cancel()
                delay(1.milliseconds)
                shore.gate?.complete(Unit)
                run.join()
                endingOf(first) shouldBe Ending.COMPLETED
                stateOf(second) shouldBe JobState.Ready
                memory.find(second)!!.attempts shouldBe 0
            }
        }

        test("a worker that cannot take up what it was handed goes on with others, and gives it back when it leaves") {
            val shore = Shore()
            virtually(shore::of) {
                val run = working(1.milliseconds)
                delay(1.seconds)
                shore.isDown = true
                val lost = enqueue(typeOf(ZERO), Args())
                delay(1.milliseconds)
                shore.isDown = false
                val next = enqueue(typeOf(ZERO), Args())
                delay(1.seconds)
                endingOf(next) shouldBe Ending.COMPLETED
                timesOf<JobEvent.Started>(lost).shouldBeEmpty()
                run.stop()
                stateOf(lost) shouldBe JobState.Ready
            }
        }
    })

/** A store at some distance: what it tells may not be heard, and its answers may wait, or fail. */
@OptIn(KittiwakeSpi::class)
private class Shore {
    var claims = 0
    var takenUp = 0
    var isDeaf = false
    var isDown = false
    var gate: CompletableDeferred<Unit>? = null
    private val unheard = mutableListOf<() -> Unit>()
    private lateinit var wakeups: Wakeups

    /** One more than the worker would make. */
    suspend fun offer(): Unit = wakeups.offer(QueueName("images"))

    fun hear() {
        isDeaf = false
        unheard.forEach { it() }
    }

    fun of(store: JobStore): JobStore = object : JobStore by store {
        override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> {
            claims++
            return store.claim(worker, queue, limit)
        }

        override suspend fun takeUp(worker: WorkerId, queue: QueueName, lease: Long): ClaimedJob? {
            takenUp++
            gate?.await()
            if (isDown) throw SQLException("the connection is gone", "08006")
            return store.takeUp(worker, queue, lease)
        }

        override fun wakeups(worker: WorkerId, queues: Set<QueueName>): Wakeups {
            wakeups = store.wakeups(worker, queues)
            return object : Wakeups by wakeups {
                override suspend fun listen(ears: Wakeups.Ears) = wakeups.listen(
                    object : Wakeups.Ears by ears {
                        override fun handedOver(queue: QueueName, lease: Long) {
                            if (isDeaf) unheard += { ears.handedOver(queue, lease) } else ears.handedOver(queue, lease)
                        }
                    },
                )
            }
        }
    }
}
