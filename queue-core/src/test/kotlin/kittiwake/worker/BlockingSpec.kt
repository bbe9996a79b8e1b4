package kittiwake.worker

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.collections.shouldContainOnly
import io.kotest.matchers.maps.shouldContainExactly
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kittiwake.job.JobId
import kittiwake.job.JobScope
import kittiwake.job.job
import kittiwake.job.never
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kotlinx.coroutines.ExecutorCoroutineDispatcher
import kotlinx.coroutines.asContextElement
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import kotlin.time.Duration.Companion.milliseconds

/** Handlers that block their thread. */
class BlockingSpec :
    FunSpec({
        test("follow each other on the thread where each is begun, without moving there one by one") {
            val seen = Threads()
            val type = job<Args, Unit>("b") { handleBlocking { seen.handling(this) } }
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val events = RecordedEvents()
            val jobs = kittiwake.submitAll(type, List(50) { Args(it) })
            kittiwake.working(events, {
                queue("b") { concurrency = 2 }
                jobs(type)
                observe(seen)
            }) {
                jobs.forEach { events.awaitOf<JobEvent.Completed>(it.id) }
            }
            seen.whereBegun shouldContainExactly seen.whereHandled
        }

        test("leave the thread of the worker to those that suspend, and to what they launch, in whatever order") {
            val seen = Threads()
            val blocks = job<Args, Unit>("blocks") {
                queue = "b"
                handleBlocking {
                    seen.handling(this)
                    launch { seen.launchedBy(this@handleBlocking) }
                }
            }
            val suspends = job<Args, Unit>("suspends") {
                queue = "b"
                handle { seen.handling(this) }
            }
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val events = RecordedEvents()
            val jobs = List(60) { kittiwake.submit(if (it / 3 % 2 == 0) blocks else suspends, Args(it)).id }
            theOnlyThread().use { dispatcher ->
                val worker =
                    kittiwake.worker {
                        queue("b") { concurrency = 1 }
                        jobs(blocks, suspends)
                        observe(events)
                    }
                val run = launch(dispatcher) { worker.run() }
                jobs.forEach { events.awaitOf<JobEvent.Completed>(it) }
                run.cancelAndJoin()
            }
            val (blocking, suspending) = jobs.withIndex().partition { (i, _) -> i / 3 % 2 == 0 }
            suspending.map { seen.whereHandled[it.value]!!.name.substringBefore(" @") } shouldContainOnly setOf(THREAD)
            blocking.map { seen.whereLaunched[it.value]!!.name.substringBefore(" @") } shouldContainOnly setOf(THREAD)
            blocking.count { THREAD in seen.whereHandled[it.value]!!.name } shouldBe 0
        }

        test("do not find their thread interrupted by the one before") {
            val interrupted = ConcurrentLinkedQueue<Boolean>()
            val type =
                job<Args, Unit>("b") {
                    handleBlocking {
                        interrupted += Thread.currentThread().isInterrupted
                        Thread.currentThread().interrupt()
                    }
                }
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val events = RecordedEvents()
            val jobs = kittiwake.submitAll(type, List(10) { Args(it) })
            kittiwake.working(events, {
                queue("b") { concurrency = 1 }
                jobs(type)
            }) {
                jobs.forEach { events.awaitOf<JobEvent.Completed>(it.id) }
            }
            interrupted shouldContainExactly List(10) { false }
        }

        test("find in thread-locals what the context of the worker says, and nothing that the one before left there") {
            val tenant = ThreadLocal<String>()
            val seen = ConcurrentLinkedQueue<String>()
            val type =
                job<Args, Unit>("b") {
                    handleBlocking {
                        seen += tenant.get()
                        tenant.set("of another")
                    }
                }
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val events = RecordedEvents()
            val jobs = kittiwake.submitAll(type, List(10) { Args(it) })
            val worker =
                kittiwake.worker {
                    queue("b") { concurrency = 1 }
                    jobs(type)
                    observe(events)
                }
            val run = launch(tenant.asContextElement("of the worker")) { worker.run() }
            jobs.forEach { events.awaitOf<JobEvent.Completed>(it.id) }
            run.cancelAndJoin()
            seen shouldContainExactly List(10) { "of the worker" }
        }

        test("are interrupted when their time is over") {
            val goOn = CountDownLatch(1)
            val type =
                job<Args, Unit>("b") {
                    timeout = 50.milliseconds
                    retry = never
                    handleBlocking { goOn.await() }
                }
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("b")
                jobs(type)
            }) {
                val job = kittiwake.submit(type, Args())
                events.awaitOf<JobEvent.Discarded>(job.id).reason shouldContain "longer than its timeout of 50ms"
            }
        }
    })

private const val THREAD = "the worker's"

private fun theOnlyThread(): ExecutorCoroutineDispatcher =
    Executors.newSingleThreadExecutor { Thread(it, THREAD) }.asCoroutineDispatcher()

/** On which threads jobs were begun, and which their handlers ran on. */
private class Threads : JobObserver {
    val whereBegun = ConcurrentHashMap<JobId, Thread>()
    val whereHandled = ConcurrentHashMap<JobId, Thread>()
    val whereLaunched = ConcurrentHashMap<JobId, Thread>()

    override fun on(event: JobEvent) {
        if (event is JobEvent.Started) whereBegun[event.id] = Thread.currentThread()
    }

    fun launchedBy(job: JobScope) {
        whereLaunched[job.id] = Thread.currentThread()
    }

    fun handling(job: JobScope) {
        whereHandled[job.id] = Thread.currentThread()
    }
}
