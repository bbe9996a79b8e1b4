package kittiwake.testing

import kittiwake.job.JobId
import kotlin.time.Duration
import kotlin.time.Instant

/** A worker as an [InMemoryJobStore] knows it. */
internal class StoredWorker(var seenAt: Instant, val lease: Duration) {
    var isAlive = true
    var isStopRequested = false

    /** The suspect that it started last, and in which claim. */
    var suspect: Pair<JobId, Long>? = null

    /** Of what it held when it fell silent. */
    var toBlame: Set<JobId> = emptySet()
}
