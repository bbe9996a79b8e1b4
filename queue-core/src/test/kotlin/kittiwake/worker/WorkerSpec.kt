package kittiwake.worker

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.comparables.shouldBeLessThanOrEqualTo
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.enqueue.newJob
import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kittiwake.job.After
import kittiwake.job.Ending
import kittiwake.job.Interruption
import kittiwake.job.JobScope
import kittiwake.job.JobState
import kittiwake.job.exponential
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.job.limit
import kittiwake.job.linear
import kittiwake.job.retry
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.testTimeSource
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.Serializable
import kotlin.time.Duration
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

@OptIn(KittiwakeSpi::class)
class WorkerSpec :
    FunSpec({
        context("claiming") {
            test("runs as many jobs at once as there are places, in the order of the queue") {
                virtually {
                    var running = 0
                    var most = 0
                    val started = mutableListOf<Int>()
                    val type =
                        job<Args>("images") {
                            handle { args ->
                                started += args.n
                                most = maxOf(most, ++running)
                                delay(1.seconds)
                                running--
                            }
                        }
                    repeat(10) { enqueue(type, Args(it)) }
                    val run =
                        run {
                            queue("images") { concurrency = 3 }
                            jobs(type)
                        }
                    delay(10.seconds)
                    most shouldBe 3
                    started shouldContainExactly (0..9).toList()
                    run.stop()
                }
            }
            test("claims ahead as many as the prefetch allows, and runs no more at once") {
                virtually {
                    var running = 0
                    var most = 0
                    val type =
                        job<Args>("images") {
                            handle {
                                most = maxOf(most, ++running)
                                delay(1.minutes)
                                running--
                            }
                        }
                    val ids = List(20) { enqueue(type, Args(it)) }
                    val run =
                        run {
                            queue("images") {
                                concurrency = 2
                                prefetch = 5
                            }
                            jobs(type)
                        }
                    delay(1.seconds)
                    ids.count { stateOf(it) is JobState.Running } shouldBe 7
                    most shouldBe 2
                    run.stop()
                    ids.count { stateOf(it) is JobState.Ready } shouldBe 20
                }
            }
            test("starts a job the moment it is enqueued, without waiting for the poll") {
                virtually {
                    val type = job<Args>("images") { handle { } }
                    val run =
                        run {
                            queue("images")
                            jobs(type)
                            pollEvery = 1.hours
                        }
                    delay(30.seconds)
                    val id = enqueue(type, Args())
                    delay(1.seconds)
                    timesOf<JobEvent.Started>(id).single() shouldBe 30.seconds
                    run.stop()
                }
            }
            test("starts a delayed job when it is due, with polling an hour away") {
                virtually {
                    val type = job<Args>("images") { handle { } }
                    val run =
                        run {
                            queue("images")
                            jobs(type)
                            pollEvery = 1.hours
                        }
                    delay(1.seconds)
                    val id = enqueue(type, Args()) { delay = 90.seconds }
                    delay(3.minutes)
                    timesOf<JobEvent.Started>(id).single() shouldBeLessThanOrEqualTo 91.seconds + 2.milliseconds
                    run.stop()
                }
            }
            test("an idle worker leaves the store alone until it is time to poll") {
                virtually {
                    var looks = 0
                    val counting = CountingStore(memory) { looks++ }
                    val built =
                        worker(counting) {
                            queue("images")
                            pollEvery = 10.minutes
                            timeSource = test.testTimeSource
                        }
                    val run = test.launch { built.run() }
                    delay(1.seconds)
                    looks = 0
                    delay(9.minutes)
                    looks shouldBe 0
                    delay(11.minutes)
                    (looks in 1..8) shouldBe true
                    run.stop()
                }
            }
            test("goes on when the store fails for a while") {
                var failing = true
                runTest {
                    val world = VirtualWorker(this) { store -> FlakyStore(store) { failing } }
                    val type = job<Args>("images") { handle { } }
                    val id = world.enqueue(type, Args())
                    val run =
                        world.run {
                            queue("images")
                            jobs(type)
                        }
                    delay(20.seconds)
                    world.stateOf(id) shouldBe JobState.Ready
                    failing = false
                    delay(20.seconds)
                    world.endingOf(id) shouldBe Ending.COMPLETED
                    run.stop()
                }
            }
        }

        context("failing") {
            test("fail, fail, ok is three executions, with the delays of the policy between them") {
                virtually {
                    val type =
                        job<Args, Int>("images") {
                            retry = linear(10.seconds)
                            handle { if (attempt < 3) error("not yet") else attempt }
                        }
                    val run =
                        run {
                            queue("images")
                            jobs(type)
                        }
                    val id = enqueue(type, Args())
                    delay(2.minutes)
                    val times = timesOf<JobEvent.Started>(id)
                    times.size shouldBe 3
                    (times[1] - times[0]) shouldBeLessThanOrEqualTo 10.seconds + 5.milliseconds
                    (times[2] - times[1]) shouldBeLessThanOrEqualTo 20.seconds + 5.milliseconds
                    val job = memory.find(id).shouldNotBeNull()
                    job.attempts shouldBe 3
                    job.result shouldBe "3"
                    job.failures.map { it.attempt } shouldContainExactly listOf(1, 2)
                    run.stop()
                }
            }
            test("a job that always fails is discarded after its attempts, with every error") {
                virtually {
                    val type =
                        job<Args>("images") {
                            retry = fixed(1.seconds).limit(4)
                            handle { error("attempt $attempt") }
                        }
                    val run =
                        run {
                            queue("images")
                            jobs(type)
                        }
                    val id = enqueue(type, Args())
                    delay(1.minutes)
                    endingOf(id) shouldBe Ending.DISCARDED
                    memory.find(id)!!.failures.size shouldBe 4
                    count<JobEvent.Started>() shouldBe 4
                    run.stop()
                }
            }
            test("a policy that throws or says nonsense loses nothing") {
                virtually {
                    val throwing =
                        job<Args>("a") {
                            retry = retry { error("policy") }
                            handle { if (attempt == 1) error("x") }
                        }
                    val negative =
                        job<Args>("b") {
                            retry = retry { After((-1).seconds) }
                            handle { if (attempt == 1) error("x") }
                        }
                    val run =
                        run {
                            queue("a", "b")
                            jobs(throwing, negative)
                        }
                    val ids = listOf(enqueue(throwing, Args()), enqueue(negative, Args()))
                    delay(10.seconds)
                    ids.map { endingOf(it) } shouldContainExactly listOf(Ending.COMPLETED, Ending.COMPLETED)
                    run.stop()
                }
            }
            test("any throwable is a failure of the attempt, also a cancellation that the handler invented") {
                virtually {
                    val causes =
                        listOf(
                            NoClassDefFoundError("x"),
                            StackOverflowError(),
                            CancellationException("mine"),
                            Exception(),
                        )
                    val type =
                        job<Args>("images") {
                            retry = fixed(1.seconds)
                            handle { args -> if (attempt == 1) throw causes[args.n] }
                        }
                    val leaking =
                        job<Args>("leak") {
                            retry = fixed(1.seconds)
                            handle { if (attempt == 1) withTimeout(5) { awaitCancellation() } }
                        }
                    val run =
                        run {
                            queue("images", "leak")
                            jobs(type, leaking)
                        }
                    val ids = causes.indices.map { enqueue(type, Args(it)) } + enqueue(leaking, Args())
                    delay(1.minutes)
                    ids.map { endingOf(it) }.toSet() shouldBe setOf(Ending.COMPLETED)
                    ids.map { memory.find(it)!!.failures.size }.toSet() shouldBe setOf(1)
                    run.stop()
                }
            }
            test("running out of memory is recorded and ends the worker") {
                virtually {
                    val type = job<Args>("images") { handle { throw OutOfMemoryError("in a test") } }
                    val id = enqueue(type, Args())
                    val built =
                        worker(memory) {
                            queue("images")
                            jobs(type)
                            timeSource = test.timeSource()
                        }
                    shouldThrow<OutOfMemoryError> { built.run() }
                    memory.find(id)!!.failures.single().error shouldContain "OutOfMemoryError"
                }
            }
            test("one failing job stops no other") {
                virtually {
                    val good =
                        job<Args>("good") {
                            queue = "q"
                            handle { delay(100.milliseconds) }
                        }
                    val bad =
                        job<Args>("bad") {
                            queue = "q"
                            retry = fixed(ZERO).limit(50)
                            handle { error("always") }
                        }
                    val run =
                        run {
                            queue("q") { concurrency = 2 }
                            jobs(good, bad)
                        }
                    enqueue(bad, Args())
                    val ids = List(20) { enqueue(good, Args(it)) }
                    delay(30.seconds)
                    ids.map { endingOf(it) }.toSet() shouldBe setOf(Ending.COMPLETED)
                    run.stop()
                }
            }
            test("an unknown job is put off, keeps its attempts and stops nothing") {
                virtually {
                    val known =
                        job<Args>("known") {
                            queue = "q"
                            handle { }
                        }
                    val unknown = job<Args>("unknown") { queue = "q" }
                    val run =
                        run {
                            queue("q")
                            jobs(known)
                        }
                    val stranger = enqueue(unknown, Args())
                    val id = enqueue(known, Args())
                    delay(10.minutes)
                    endingOf(id) shouldBe Ending.COMPLETED
                    stateOf(stranger).shouldBeInstanceOf<JobState.Scheduled>()
                    memory.find(stranger)!!.attempts shouldBe 0
                    run.stop()
                }
            }
            test("args that cannot be decoded end the job with its args and the error kept") {
                virtually {
                    val writer = job<Args>("q") { }
                    val reader = job<Other>("q") { handle { } }
                    val run =
                        run {
                            queue("q")
                            jobs(reader)
                        }
                    val id = enqueue(writer, Args(3))
                    delay(1.seconds)
                    endingOf(id) shouldBe Ending.DISCARDED
                    val job = memory.find(id).shouldNotBeNull()
                    job.args shouldBe """{"n":3}"""
                    job.failures.single().error shouldContain "cannot be decoded"
                    run.stop()
                }
            }
            test("a result that cannot be stored is a failure of the attempt") {
                virtually {
                    val type =
                        job<Args, Double>("q") {
                            retry = fixed(1.seconds).limit(2)
                            handle { Double.NaN }
                        }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                        }
                    val id = enqueue(type, Args())
                    delay(10.seconds)
                    endingOf(id) shouldBe Ending.DISCARDED
                    memory.find(id)!!.failures.last().error shouldContain "result of job \"q\" cannot be stored"
                    run.stop()
                }
            }
            test("an observer that throws changes nothing") {
                virtually {
                    val type = job<Args>("q") { handle { } }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                            observe(JobObserver { error("observer") })
                        }
                    val id = enqueue(type, Args())
                    delay(1.seconds)
                    endingOf(id) shouldBe Ending.COMPLETED
                    run.stop()
                }
            }
        }

        context("outcomes") {
            test("snooze puts the job off without using an attempt; discard ends it") {
                virtually {
                    var seen = 0
                    val type =
                        job<Args, String>("q") {
                            decide { args ->
                                when {
                                    args.n == 1 -> discard("not wanted")
                                    ++seen < 3 -> snooze(10.minutes)
                                    else -> done("attempt $attempt")
                                }
                            }
                        }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                        }
                    val patient = enqueue(type, Args(0))
                    val unwanted = enqueue(type, Args(1))
                    delay(1.hours)
                    memory.find(patient)!!.result shouldBe "\"attempt 1\""
                    endingOf(unwanted) shouldBe Ending.DISCARDED
                    memory.find(unwanted)!!.failures.single().error shouldContain "not wanted"
                    run.stop()
                }
            }
            test("a job ends when its children have ended") {
                virtually {
                    val type = job<Args>("q") { handle { launch { delay(30.seconds) } } }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                        }
                    val id = enqueue(type, Args())
                    delay(29.seconds)
                    endingOf(id) shouldBe null
                    delay(2.seconds)
                    endingOf(id) shouldBe Ending.COMPLETED
                    run.stop()
                }
            }
        }

        context("interrupting") {
            test("a timeout cancels the coroutine with its reason and counts as a failure") {
                virtually {
                    val reason = CompletableDeferred<Throwable>()
                    val type =
                        job<Args>("q") {
                            timeout = 5.seconds
                            retry = fixed(1.seconds).limit(1)
                            handle { hang(reason) }
                        }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                        }
                    val id = enqueue(type, Args())
                    delay(10.seconds)
                    reason.await().shouldBeInstanceOf<Interruption.TimedOut>().timeout shouldBe 5.seconds
                    endingOf(id) shouldBe Ending.DISCARDED
                    timesOf<JobEvent.Discarded>(id).single() shouldBeLessThanOrEqualTo 5.seconds + 100.milliseconds
                    run.stop()
                }
            }
            test("a cancelled job's coroutine is cancelled at the next heartbeat, and nothing of it is written") {
                virtually {
                    val reason = CompletableDeferred<Throwable>()
                    val type = job<Args>("q") { handle { hang(reason) } }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                            heartbeatEvery = 5.seconds
                        }
                    val id = enqueue(type, Args())
                    delay(1.seconds)
                    memory.cancel(id)
                    delay(5.seconds)
                    reason.await().shouldBeInstanceOf<Interruption.CancelledByUser>()
                    endingOf(id) shouldBe Ending.CANCELLED
                    count<JobEvent.Cancelled>() shouldBe 1
                    run.stop()
                }
            }
            test("a worker that was given up for dead cancels its jobs and starts anew") {
                virtually {
                    val reasons = mutableListOf<Throwable>()
                    val type =
                        job<Args>("q") {
                            handle {
                                if (attempt > 1) return@handle
                                try {
                                    awaitCancellation()
                                } catch (e: Interruption) {
                                    reasons += e
                                    throw e
                                }
                            }
                        }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                        }
                    val id = enqueue(type, Args())
                    delay(1.seconds)
                    memory.rescue(ZERO, 10)
                    delay(20.seconds)
                    reasons.single().shouldBeInstanceOf<Interruption.LeaseLost>()
                    count<JobEvent.LeaseLost>() shouldBe 1
                    endingOf(id) shouldBe Ending.COMPLETED
                    memory.find(id)!!.attempts shouldBe 2
                    run.stop()
                }
            }
        }

        context("stopping") {
            test("ends in the graces and one lease, however much there is to give back to a store that is away") {
                var isDown = false
                virtually({ FlakyStore(it) { isDown } }) {
                    val type = job<Args>("q") { handle { awaitCancellation() } }
                    val jobs = List(10_000) { type.newJob(Args(it)) }
                    memory.insert(jobs)
                    val run =
                        run {
                            queue("q") { prefetch = 10_000 }
                            jobs(type)
                            lease = 30.seconds
                            shutdownGrace = 3.seconds
                            cancelGrace = 2.seconds
                        }
                    delay(10.seconds)
                    isDown = true
                    run.stop()
                    now shouldBeLessThanOrEqualTo 10.seconds + 3.seconds + 2.seconds + 30.seconds
                }
            }
            test("lets running jobs finish within the grace, and claims nothing more") {
                virtually {
                    val type = job<Args>("q") { handle { delay(10.seconds) } }
                    val run =
                        run {
                            queue("q") { concurrency = 1 }
                            jobs(type)
                            shutdownGrace = 20.seconds
                        }
                    val running = enqueue(type, Args(1))
                    val waiting = enqueue(type, Args(2))
                    delay(1.seconds)
                    run.stop()
                    endingOf(running) shouldBe Ending.COMPLETED
                    stateOf(waiting) shouldBe JobState.Ready
                    count<JobEvent.Started>() shouldBe 1
                }
            }
            test("cancels what outlasts the grace, and gives it back at no cost of an attempt") {
                virtually {
                    val reason = CompletableDeferred<Throwable>()
                    val type = job<Args>("q") { handle { hang(reason) } }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                            shutdownGrace = 3.seconds
                        }
                    val id = enqueue(type, Args())
                    delay(1.seconds)
                    run.stop()
                    now shouldBeLessThanOrEqualTo 4.seconds + 100.milliseconds
                    reason.await().shouldBeInstanceOf<Interruption.WorkerStopping>()
                    stateOf(id) shouldBe JobState.Ready
                    memory.find(id)!!.attempts shouldBe 0
                    count<JobEvent.Released>() shouldBe 1
                }
            }
            test("does not wait for ever for a job that ignores its cancellation, and does not give it away") {
                virtually {
                    val never = CompletableDeferred<Unit>()
                    val type =
                        job<Args>("q") {
                            handle { withContext(NonCancellable) { never.await() } }
                        }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                            shutdownGrace = 1.seconds
                            cancelGrace = 2.seconds
                        }
                    val id = enqueue(type, Args())
                    delay(1.seconds)
                    run.stop()
                    stateOf(id).shouldBeInstanceOf<JobState.Running>()
                    now shouldBeLessThanOrEqualTo 5.seconds
                    never.complete(Unit)
                }
            }
            test("can be asked of a worker from elsewhere") {
                virtually {
                    val type = job<Args>("q") { handle { delay(3.seconds) } }
                    val run =
                        run {
                            queue("q")
                            jobs(type)
                        }
                    val id = enqueue(type, Args())
                    delay(1.seconds)
                    memory.stop((stateOf(id) as JobState.Running).worker) shouldBe true
                    run.join()
                    run.isCancelled shouldBe false
                    endingOf(id) shouldBe Ending.COMPLETED
                }
            }
            test("at any moment loses no job: each is ended or ready again") {
                for (moment in 0..400 step 7) {
                    virtually {
                        val type = job<Args>("q") { handle { delay(20.milliseconds) } }
                        val ids = List(12) { enqueue(type, Args(it)) }
                        val run =
                            run {
                                queue("q") {
                                    concurrency = 2
                                    prefetch = 3
                                }
                                jobs(type)
                                shutdownGrace = ZERO
                            }
                        delay(moment.milliseconds)
                        run.stop()
                        val states = ids.map { stateOf(it) }
                        states.filterNot { it is JobState.Ended || it == JobState.Ready }.shouldBeEmpty()
                        ids.map { memory.find(it)!!.attempts }.filter { it > 1 }.shouldBeEmpty()
                    }
                }
            }
        }
    })

@Serializable
private data class Other(val path: String)

private suspend fun JobScope.hang(reason: CompletableDeferred<Throwable>) {
    try {
        awaitCancellation()
    } catch (e: Throwable) {
        reason.complete(e)
        throw e
    }
}

private fun TestScope.timeSource() = with(testScheduler) { timeSource }
