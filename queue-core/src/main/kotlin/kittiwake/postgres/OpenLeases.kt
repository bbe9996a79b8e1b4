package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.store.Completion

/**
 * What is left of each lease of a worker, job by job, so that the completion that empties a lease can delete it.
 *
 * A completion may be told twice, when its answer was lost: it counts once. A lease deleted too early would take the
 * jobs that are left in it along.
 */
@OptIn(KittiwakeSpi::class)
internal class OpenLeases {
    private val left = mutableMapOf<Long, MutableSet<JobId>>()

    /** [lease] holds [jobs] now. */
    @Synchronized
    fun open(lease: Long, jobs: List<ClaimedJob>) {
        if (jobs.isNotEmpty()) left[lease] = jobs.mapTo(mutableSetOf()) { it.id }
    }

    /** What it means that [jobs] are over, or no longer this worker's: nothing changes before [Closing.settle]. */
    @Synchronized
    fun closing(jobs: List<Completion>): Closing = Closing(jobs.groupBy({ it.claim.lease }, { it.claim.id }))

    inner class Closing(private val over: Map<Long, List<JobId>>) {
        /** The leases of which nothing is left then. */
        val emptied: Set<Long> =
            over.filterTo(mutableMapOf()) { (lease, jobs) -> left[lease].orEmpty().isEmptiedBy(jobs) }.keys

        /** It has happened. */
        fun settle(): Unit = synchronized(this@OpenLeases) {
            left -= emptied
            for ((lease, jobs) in over) left[lease]?.removeAll(jobs.toSet())
        }
    }

    private fun Set<JobId>.isEmptiedBy(jobs: List<JobId>) = size <= jobs.size && jobs.toSet().containsAll(this)
}
