package kittiwake.worker.internal

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.ints.shouldBeLessThan
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.ClaimedJob
import kittiwake.job.Ending
import kittiwake.job.JobHandler
import kittiwake.job.JobId
import kittiwake.job.Outcome
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.Completion
import kittiwake.store.JobStore
import kittiwake.store.UnwritableException
import kittiwake.worker.Args
import kittiwake.worker.stop
import kittiwake.worker.virtually
import kotlinx.coroutines.delay
import java.sql.SQLException
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

@OptIn(KittiwakeSpi::class)
class CompleterSpec :
    FunSpec({
        test("one end that the store refuses does not drag its batch along: its job runs again, and says why") {
            virtually({ RefusingStore(it) { claim -> claim.args == """{"n":3}""" && claim.attempt == 1 } }) {
                val type = job<Args>("q") { handle {} }
                val ids = List(8) { enqueue(type, Args(it)) }
                val run =
                    run {
                        queue("q")
                        jobs(type)
                    }
                delay(30.seconds)
                ids.filter { endingOf(it) == Ending.COMPLETED } shouldContainExactly ids - ids[3]
                delay(1.minutes)
                endingOf(ids[3]) shouldBe Ending.COMPLETED
                val again = memory.find(ids[3])!!
                again.attempts shouldBe 2
                again.failures.single().error shouldContain "could not be written"
                again.failures.single().error shouldContain "foreign key"
                count<JobEvent.LeaseLost>() shouldBe 0
                run.stop()
            }
        }

        test("a job whose every end is refused is not run more often than it may") {
            virtually({ RefusingStore(it) { true } }) {
                val type =
                    job<Args>("q") {
                        maxAttempts = 2
                        handle {}
                    }
                val id = enqueue(type, Args())
                val run =
                    run {
                        queue("q")
                        jobs(type)
                    }
                delay(20.minutes)
                endingOf(id) shouldBe null
                memory.find(id)!!.attempts shouldBe 2
                count<JobEvent.Failed>() shouldBe 2
                run.stop()
            }
        }

        test("an end whose answer was lost is told as what it is: written") {
            virtually({ ForgetfulStore(it) }) {
                val type = job<Args>("q") { handle {} }
                val id = enqueue(type, Args())
                val run =
                    run {
                        queue("q")
                        jobs(type)
                    }
                delay(5.seconds)
                endingOf(id) shouldBe Ending.COMPLETED
                timesOf<JobEvent.Completed>(id).size shouldBe 1
                count<JobEvent.LeaseLost>() shouldBe 0
                run.stop()
            }
        }

        test("two batches are written at once, and never two of one lease") {
            val slow = SlowStore()
            virtually(slow::over) {
                val type = job<Args>("q") { handle {} }
                repeat(6_000) { enqueue(type, Args(it)) }
                val run =
                    run {
                        queue("q")
                        jobs(type)
                    }
                delay(5.seconds)
                count<JobEvent.Completed>() shouldBe 6_000
                slow.most shouldBe 2
                slow.mostOfOneLease shouldBe 1
                run.stop()
            }
        }

        test("ends that handlers have written themselves wait for each other, for nobody waits for them") {
            var batches = 0
            virtually({ store ->
                object : JobStore by store {
                    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
                        store.end(worker, jobs).also { batches++ }
                }
            }) {
                val type =
                    job<Args>("q") {
                        handler(
                            JobHandler {
                                delay(1.milliseconds)
                                Outcome.Written
                            },
                        )
                    }
                repeat(1_000) { enqueue(type, Args(it)) }
                val run =
                    run {
                        queue("q") { concurrency = 1 }
                        jobs(type)
                    }
                delay(5.seconds)
                count<JobEvent.Completed>() shouldBe 1_000
                batches shouldBeLessThan 400
                run.stop()
            }
        }
    })

/** A store that takes its time to write, and counts the batches under way. */
@OptIn(KittiwakeSpi::class)
private class SlowStore {
    private val underWay = mutableListOf<Set<Long>>()
    var most = 0
        private set
    var mostOfOneLease = 0
        private set

    fun over(store: JobStore): JobStore = object : JobStore by store {
        override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> {
            val leases = jobs.mapTo(mutableSetOf()) { it.claim.lease }
            underWay += leases
            most = maxOf(most, underWay.size)
            mostOfOneLease = maxOf(mostOfOneLease, underWay.flatten().groupingBy { it }.eachCount().values.max())
            delay(7.milliseconds)
            underWay -= leases
            return store.end(worker, jobs)
        }
    }
}

/** A store that will not take the end of some jobs, as when a row of the user's still refers to them. */
@OptIn(KittiwakeSpi::class)
private class RefusingStore(private val store: JobStore, private val refuses: (ClaimedJob) -> Boolean) :
    JobStore by store {
    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> {
        if (jobs.any { refuses(it.claim) }) throw UnwritableException("refused", SQLException("foreign key", "23503"))
        return store.end(worker, jobs)
    }
}

/** A store that writes the first end, and loses the answer. */
@OptIn(KittiwakeSpi::class)
private class ForgetfulStore(private val store: JobStore) : JobStore by store {
    private var hasForgotten = false

    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> = store.end(worker, jobs).also {
        if (!hasForgotten) {
            hasForgotten = true
            throw SQLException("the connection was lost", "08006")
        }
    }
}
