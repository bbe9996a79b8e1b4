package kittiwake.worker

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.comparables.shouldBeGreaterThanOrEqualTo
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.JobStore
import kittiwake.store.Pulse
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.testTimeSource
import java.sql.SQLException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** An outage of three leases, on virtual time, with two workers that survive it. */
@OptIn(KittiwakeSpi::class)
class OutageSpec :
    FunSpec({
        suspend fun VirtualWorker.losesNothingWhile(outage: suspend () -> Unit) {
            val type = job<Args>("images") { handle { delay(4.minutes) } }
            val ids = List(6) { enqueue(type, Args(it)) }
            val runs = List(2) {
                run {
                    queue("images") { concurrency = 3 }
                    jobs(type)
                    lease = 30.seconds
                    heartbeatEvery = 5.seconds
                    rescueEvery = 1.seconds
                }
            }
            delay(1.minutes)
            outage()
            delay(5.minutes)
            count<JobEvent.Started>() shouldBe 6
            ids.map { memory.find(it)!!.attempts }.toSet() shouldContainExactly setOf(1)
            count<JobEvent.Completed>() shouldBe 6
            count<JobEvent.Rescued>() shouldBe 0
            count<JobEvent.LeaseLost>() shouldBe 0
            runs.forEach { it.stop() }
        }

        test("starts nothing twice when every statement fails meanwhile") {
            runTest {
                var isDown = false
                VirtualWorker(this) { FlakyStore(it) { isDown } }.losesNothingWhile {
                    isDown = true
                    delay(90.seconds)
                    isDown = false
                }
            }
        }

        test("starts nothing twice when heartbeats wait for their answers while the rest goes on") {
            runTest {
                val mute = MutableStateFlow(false)
                VirtualWorker(this) { MuteStore(it, mute) }.losesNothingWhile {
                    mute.value = true
                    delay(90.seconds)
                    mute.value = false
                }
            }
        }

        test("rescues nobody in the first lease of contact of a worker that was started meanwhile") {
            runTest {
                val back = testTimeSource.markNow() + 12.seconds
                val virtual = VirtualWorker(this) { AwayAtFirst(it) { back.hasNotPassedNow() } }
                val id = virtual.enqueue(job<Args>("images"), Args())
                val silent = WorkerId.random()
                virtual.memory.join(silent, "silent", setOf(QueueName("images")), 1.seconds)
                virtual.memory.claim(silent, QueueName("images"), 1)
                val run =
                    virtual.run {
                        queue("images")
                        jobs(job<Args>("images") { handle { } })
                        rescueEvery = 1.seconds
                    }
                delay(2.minutes)
                run.stop()
                virtual.timesOf<JobEvent.Rescued>(id).single() shouldBeGreaterThanOrEqualTo 42.seconds
            }
        }
    })

/** A store whose heartbeats are neither answered nor fail as long as it [isMute]. */
@OptIn(KittiwakeSpi::class)
private class MuteStore(private val store: JobStore, private val isMute: MutableStateFlow<Boolean>) :
    JobStore by store {
    override suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse {
        isMute.first { !it }
        return store.beat(worker, running)
    }
}

/** A store that no worker can join while it [isAway]. */
@OptIn(KittiwakeSpi::class)
private class AwayAtFirst(private val store: JobStore, private val isAway: () -> Boolean) : JobStore by store {
    override suspend fun join(worker: WorkerId, name: String, queues: Set<QueueName>, lease: Duration) {
        if (isAway()) throw SQLException("the server is down", "57P03")
        store.join(worker, name, queues, lease)
    }
}
