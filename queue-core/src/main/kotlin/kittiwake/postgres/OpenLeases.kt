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

    /** The leases of which nothing is left once [jobs] are over. */
    @Synchronized
    fun emptiedBy(jobs: List<Completion>): Set<Long> =
        byLease(jobs).filter { (lease, over) -> left[lease].orEmpty().all { it in over } }.keys

    /** [jobs] are over, or no longer this worker's. */
    @Synchronized
    fun settle(jobs: List<Completion>) {
        for ((lease, over) in byLease(jobs)) {
            val rest = left[lease] ?: continue
            rest -= over
            if (rest.isEmpty()) left -= lease
        }
    }

    private fun byLease(jobs: List<Completion>): Map<Long, Set<JobId>> =
        jobs.groupBy({ it.claim.lease }, { it.claim.id }).mapValues { it.value.toSet() }
}
