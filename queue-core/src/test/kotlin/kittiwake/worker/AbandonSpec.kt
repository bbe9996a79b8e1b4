package kittiwake.worker

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.comparables.shouldBeGreaterThanOrEqualTo
import io.kotest.matchers.shouldBe
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.Ending
import kittiwake.job.JobState
import kittiwake.job.JobType
import kittiwake.job.job
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.withContext
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** Jobs whose code does not stop when their worker ends. */
@OptIn(KittiwakeSpi::class)
class AbandonSpec :
    FunSpec({
        fun stubborn(never: CompletableDeferred<Unit>) = job<Args>("q") {
            handle { if (attempt == 1) withContext(NonCancellable) { never.await() } }
        }

        fun WorkerBuilder.works(type: JobType<Args, Unit>) {
            queue("q")
            jobs(type)
            lease = 30.seconds
            shutdownGrace = 3.seconds
            cancelGrace = 2.seconds
        }

        test("are told once the grace and the cancel grace are over, with nothing told of them afterwards") {
            virtually {
                val never = CompletableDeferred<Unit>()
                val type = stubborn(never)
                val id = enqueue(type, Args())
                val run = run { works(type) }
                delay(10.seconds)
                run.stop()
                timesOf<JobEvent.Abandoned>(id) shouldContainExactly listOf(15.seconds)
                never.complete(Unit)
                delay(1.minutes)
                events.last().second.shouldBeInstanceOf<JobEvent.Abandoned>().attempt shouldBe 1
                stateOf(id).shouldBeInstanceOf<JobState.Running>()
            }
        }

        test("are not those that stop in time, which are released as ever") {
            virtually {
                val type = job<Args>("q") { handle { awaitCancellation() } }
                val id = enqueue(type, Args())
                val run = run { works(type) }
                delay(10.seconds)
                run.stop()
                count<JobEvent.Abandoned>() shouldBe 0
                timesOf<JobEvent.Released>(id).size shouldBe 1
                stateOf(id) shouldBe JobState.Ready
            }
        }

        test("run again elsewhere, and only after the lease has ended") {
            virtually {
                val never = CompletableDeferred<Unit>()
                val type = stubborn(never)
                val id = enqueue(type, Args())
                val first = run { works(type) }
                delay(10.seconds)
                first.stop()
                val second = run { works(type) }
                delay(2.minutes)
                val (abandoned) = timesOf<JobEvent.Abandoned>(id)
                timesOf<JobEvent.Started>(id).last() shouldBeGreaterThanOrEqualTo abandoned + 30.seconds - 5.seconds
                endingOf(id) shouldBe Ending.COMPLETED
                memory.find(id)!!.attempts shouldBe 2
                never.complete(Unit)
                second.stop()
            }
        }

        test("are told of a worker that was given up for dead too, which starts anew without them") {
            virtually {
                val never = CompletableDeferred<Unit>()
                val type = stubborn(never)
                val id = enqueue(type, Args())
                val run = run { works(type) }
                delay(1.seconds)
                memory.rescue(ZERO, 10)
                delay(1.minutes)
                timesOf<JobEvent.Abandoned>(id).size shouldBe 1
                timesOf<JobEvent.LeaseLost>(id).shouldBeEmpty()
                endingOf(id) shouldBe Ending.COMPLETED
                never.complete(Unit)
                run.stop()
            }
        }
    })
