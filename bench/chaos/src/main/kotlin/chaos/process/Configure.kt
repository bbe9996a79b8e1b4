package chaos.process

import chaos.history.Entry
import chaos.history.Journal
import kittiwake.event.JobObserver
import kittiwake.worker.WorkerBuilder

/** Whatever the library tells becomes a line of [journal]. */
fun WorkerBuilder.observedBy(journal: Journal) {
    observe(
        JobObserver { event ->
            journal.note { Entry.Told(it, event.id.value, event.attempt, event::class.simpleName.orEmpty()) }
        },
    )
}

fun WorkerBuilder.goAt(pace: Pace) {
    lease = pace.lease
    heartbeatEvery = pace.heartbeatEvery
    pollEvery = pace.pollEvery
    rescueEvery = pace.rescueEvery
    shutdownGrace = pace.shutdownGrace
    cancelGrace = pace.cancelGrace
}
