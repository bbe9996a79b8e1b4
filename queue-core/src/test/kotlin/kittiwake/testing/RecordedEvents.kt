package kittiwake.testing

import io.kotest.assertions.withClue
import io.kotest.matchers.nulls.shouldNotBeNull
import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kittiwake.job.JobId
import kittiwake.postgres.Kittiwake
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeoutOrNull
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** Keeps what happened, and lets a test wait for it: the signal of our tests. */
class RecordedEvents : JobObserver {
    val all = MutableStateFlow<List<JobEvent>>(emptyList())

    override fun on(event: JobEvent) {
        all.update { it + event }
    }

    /** Waits until there is an [E] of the job. */
    suspend inline fun <reified E : JobEvent> awaitOf(id: JobId, within: Duration = 20.seconds): E =
        await(within) { events -> events.filterIsInstance<E>().find { it.id == id } }

    /** Waits until [find] finds what it looks for. */
    suspend fun <T : Any> await(within: Duration = 20.seconds, find: (List<JobEvent>) -> T?): T =
        withClue({ "Until now: ${all.value}" }) {
            withTimeoutOrNull(within) { find(all.first { find(it) != null }) }.shouldNotBeNull()
        }
}

/** Runs a worker while [block] runs, and stops it. */
suspend fun <T> Kittiwake.working(
    events: RecordedEvents,
    configure: WorkerBuilder.() -> Unit,
    block: suspend CoroutineScope.() -> T,
): T = coroutineScope {
    val worker =
        worker {
            observe(events)
            configure()
        }
    val run = launch(Dispatchers.Default) { worker.run() }
    try {
        block()
    } finally {
        run.cancelAndJoin()
    }
}
