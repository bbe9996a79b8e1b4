package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.store.Completion
import java.util.Arrays
import java.util.BitSet

/**
 * What is left of each lease of a worker, job by job, so that the completion that empties a lease can delete it.
 *
 * A completion may be told twice, when its answer was lost: it counts once. A lease deleted too early would take the
 * jobs that are left in it along. Of each lease, one [Closing] at a time.
 */
@OptIn(KittiwakeSpi::class)
internal class OpenLeases {
    private val left = mutableMapOf<Long, Lease>()

    /** Its [jobs], in order, and which of them are [over]. */
    internal class Lease(val jobs: LongArray, val over: BitSet) {
        val isEmpty: Boolean get() = over.cardinality() == jobs.size

        fun copy() = Lease(jobs, over.clone() as BitSet)

        fun close(job: Long) {
            val place = Arrays.binarySearch(jobs, job)
            if (place >= 0) over.set(place)
        }
    }

    /** [lease] holds [jobs] now. */
    @Synchronized
    fun open(lease: Long, jobs: List<ClaimedJob>) {
        if (jobs.isEmpty()) return
        val ids = LongArray(jobs.size) { jobs[it].id.value }
        ids.sort()
        left[lease] = Lease(ids, BitSet(ids.size))
    }

    /** What it means that [jobs] are over, or no longer this worker's: nothing changes before [Closing.settle]. */
    @Synchronized
    fun closing(jobs: List<Completion>): Closing {
        val closed = mutableMapOf<Long, Lease>()
        for (job in jobs) {
            val claim = job.claim
            closed.getOrPut(claim.lease) { left[claim.lease]?.copy() ?: UNKNOWN }.close(claim.id.value)
        }
        return Closing(closed)
    }

    inner class Closing(private val closed: Map<Long, Lease>) {
        /** The leases of which nothing is left then. */
        val emptied: Set<Long> = closed.filterValues { it.isEmpty }.keys

        /** It has happened. */
        fun settle(): Unit = synchronized(this@OpenLeases) {
            for ((lease, rest) in closed) if (lease in emptied) left -= lease else left[lease] = rest
        }
    }

    private companion object {
        /** Nothing is known of it any more: nothing is left. */
        val UNKNOWN = Lease(LongArray(0), BitSet())
    }
}
