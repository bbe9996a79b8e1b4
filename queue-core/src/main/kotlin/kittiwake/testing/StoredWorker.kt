package kittiwake.testing

import kittiwake.job.JobId
import kittiwake.job.WorkerId
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
        private set

    /** Who is to blame is decided now, while all that it held, those [aboard], is still there. */
    fun giveUp(aboard: List<StoredJob>) {
        isAlive = false
        if (isStopRequested) return
        val started = aboard.find { it.id to it.lease == suspect }
        toBlame = (started?.let(::listOf) ?: aboard.filterNot { it.isSuspect }).mapTo(mutableSetOf()) { it.id }
    }
}

/** Those that have been silent for too long, if whoever asks is in good contact. */
internal fun Map<WorkerId, StoredWorker>.silent(
    now: Instant,
    silentFor: Duration?,
    by: WorkerId?,
): Map<WorkerId, StoredWorker> {
    val rescuer = by?.let(::get)
    if (by != null && (rescuer?.isAlive != true || rescuer.seenAt + rescuer.lease / 2 <= now)) return emptyMap()
    val patience = rescuer?.lease ?: Duration.ZERO
    return filterValues { it.isAlive && it.seenAt + (silentFor ?: maxOf(it.lease, patience)) <= now }
}
