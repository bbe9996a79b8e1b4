package kittiwake.worker

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.comparables.shouldBeLessThanOrEqualTo
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.JobStore
import kittiwake.store.Wakeups
import kotlinx.coroutines.delay
import java.sql.SQLException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** Jobs that another process enqueues: they are heard of only where somebody has said that he sleeps. */
@OptIn(KittiwakeSpi::class)
class LostSignalSpec :
    FunSpec({
        val type = job<Args>("q") { handle { } }

        fun VirtualWorker.working(pollEvery: Duration) = run {
            queue("q")
            jobs(type)
            this.pollEvery = pollEvery
        }

        test("who could not say that it was awake still says that it sleeps") {
            val distant = Distant()
            virtually(distant::over) {
                val run = working(pollEvery = 1.hours)
                delay(1.seconds)
                distant.canRise = false
                repeat(40) {
                    delay(1.milliseconds)
                    repeat(4) { enqueue(type, Args()) }
                }
                delay(5.minutes)
                distant.canRise = true
                delay(20.seconds)
                val id = enqueue(type, Args())
                val enqueued = now
                delay(1.seconds)
                timesOf<JobEvent.Started>(id) shouldBe listOf(enqueued)
                run.stop()
            }
        }

        test("a look that always fails keeps no job from being found") {
            val distant = Distant().apply { isDeaf = true }
            virtually(distant::over) {
                distant.canLook = false
                val run = working(pollEvery = 1.seconds)
                delay(30.seconds)
                val id = enqueue(type, Args())
                val enqueued = now
                delay(10.seconds)
                timesOf<JobEvent.Started>(id).single() - enqueued shouldBeLessThanOrEqualTo 6.seconds
                run.stop()
            }
        }
    })

/** A store of which some things cannot be had. */
@OptIn(KittiwakeSpi::class)
private class Distant {
    var canRise = true
    var canLook = true
    var isDeaf = false

    fun over(store: JobStore): JobStore = object : JobStore by store {
        override suspend fun look(worker: WorkerId, queues: Set<QueueName>, within: Duration): Set<QueueName> =
            if (canLook) store.look(worker, queues, within) else throw SQLException("canceling statement", "57014")

        override fun wakeups(worker: WorkerId, queues: Set<QueueName>): Wakeups {
            val wakeups = store.wakeups(worker, queues)
            val quiet = mutableSetOf<QueueName>()
            return object : Wakeups {
                override suspend fun listen(ears: Wakeups.Ears) = wakeups.listen(
                    object : Wakeups.Ears by ears {
                        override fun ring(queue: QueueName?) {
                            if (!isDeaf && queue in quiet) ears.ring(queue)
                        }
                    },
                )

                override suspend fun quiet(queue: QueueName) {
                    quiet += queue
                }

                override suspend fun busy(queue: QueueName) {
                    quiet -= queue
                    if (!canRise) throw SQLException("the connection is gone", "08006")
                }
            }
        }
    }
}
