package kittiwake.worker

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.EnqueueOptions
import kittiwake.enqueue.newJob
import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.job.JobType
import kittiwake.store.JobStore
import kittiwake.testing.InMemoryJobStore
import kotlinx.coroutines.Job
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.currentTime
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.testTimeSource
import kotlinx.serialization.Serializable
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes

@Serializable
data class Args(val n: Int = 0)

/**
 * The engine on virtual time: a store in memory, the test's scheduler as its clock, and a record of what happened when.
 */
@OptIn(KittiwakeSpi::class)
class VirtualWorker(val test: TestScope, wrap: (JobStore) -> JobStore = { it }) {
    val memory = InMemoryJobStore(test.testTimeSource)
    val store: JobStore = wrap(memory)
    val events = mutableListOf<Pair<Duration, JobEvent>>()

    val now: Duration get() = test.currentTime.milliseconds

    fun run(configure: WorkerBuilder.() -> Unit): Job {
        val worker =
            worker(store) {
                timeSource = test.testTimeSource
                observe(JobObserver { events += now to it })
                configure()
            }
        return test.launch { worker.run() }
    }

    suspend fun <A : Any> enqueue(type: JobType<A, *>, args: A, options: EnqueueOptions.() -> Unit = {}): JobId =
        memory.insert(listOf(type.newJob(args, options))).single().id

    suspend fun stateOf(id: JobId): JobState = memory.find(id)!!.state

    suspend fun endingOf(id: JobId): Ending? = (stateOf(id) as? JobState.Ended)?.ending

    inline fun <reified E : JobEvent> timesOf(id: JobId): List<Duration> =
        events.filter { (_, event) -> event is E && event.id == id }.map { it.first }

    inline fun <reified E : JobEvent> count(): Int = events.count { it.second is E }
}

/** Runs [story] on virtual time, with the worker that it starts stopped at its end. */
@OptIn(KittiwakeSpi::class)
fun virtually(wrap: (JobStore) -> JobStore = { it }, story: suspend VirtualWorker.() -> Unit) =
    runTest(timeout = 1.minutes) { VirtualWorker(this, wrap).story() }

suspend fun Job.stop(): Unit = cancelAndJoin()
