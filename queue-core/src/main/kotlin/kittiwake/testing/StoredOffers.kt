package kittiwake.testing

import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.LocalBells
import kittiwake.store.LocalWakeups
import kittiwake.store.Wakeups
import java.util.concurrent.ConcurrentHashMap

/** What sleeping workers have offered to an [InMemoryJobStore], and what was put there and not taken up since. */
@OptIn(KittiwakeSpi::class)
internal class StoredOffers(private val bells: LocalBells) {
    private class Offer(val queue: QueueName, val worker: WorkerId, val ears: Wakeups.Ears)

    private val standing = LinkedHashMap<Long, Offer>()
    private val taken = LinkedHashMap<Long, Offer>()
    private var lastLease = 0L

    /** The oldest offer of [queue] by a worker that [lives], as its lease and the worker's id. */
    @Synchronized
    fun take(queue: QueueName, lives: (WorkerId) -> Boolean): Pair<Long, WorkerId>? {
        standing.values.removeIf { !lives(it.worker) }
        val lease = standing.entries.firstOrNull { it.value.queue == queue }?.key ?: return null
        val offer = checkNotNull(standing.remove(lease))
        taken[lease] = offer
        return lease to offer.worker
    }

    fun tell(lease: Long) {
        val offer = synchronized(this) { taken[lease] } ?: return
        offer.ears.handedOver(offer.queue, lease)
    }

    /** False when somebody has done so before. */
    @Synchronized
    fun takeUp(lease: Long): Boolean = taken.remove(lease) != null

    /** Nothing is handed over to [worker] any more. Returns the leases that it has not taken up. */
    @Synchronized
    fun close(worker: WorkerId): Set<Long> {
        standing.values.removeIf { it.worker == worker }
        return taken.filterValues { it.worker == worker }.keys.toSet().also { taken -= it }
    }

    /** The signals for one life of [worker]. */
    fun wakeups(worker: WorkerId): Wakeups = object : Wakeups {
        private val local = LocalWakeups(bells)
        private val quiet: MutableSet<QueueName> = ConcurrentHashMap.newKeySet()

        @Volatile
        private var ears: Wakeups.Ears? = null

        override suspend fun listen(ears: Wakeups.Ears) {
            this.ears = ears
            try {
                local.listen(ears)
            } finally {
                withdraw { true }
            }
        }

        override suspend fun quiet(queue: QueueName) {
            quiet += queue
        }

        override suspend fun busy(queue: QueueName) {
            quiet -= queue
            withdraw { it == queue }
        }

        override suspend fun offer(queue: QueueName) {
            val ears = ears ?: return
            synchronized(this@StoredOffers) {
                if (queue in quiet && standing.values.none { it.worker == worker && it.queue == queue }) {
                    standing[--lastLease] = Offer(queue, worker, ears)
                }
            }
        }

        override suspend fun lookForHandedOver() {
            val mine = synchronized(this@StoredOffers) { taken.filterValues { it.worker == worker }.keys.toList() }
            mine.forEach(::tell)
        }

        private fun withdraw(ofQueue: (QueueName) -> Boolean): Unit = synchronized(this@StoredOffers) {
            standing.values.removeIf { it.worker == worker && ofQueue(it.queue) }
        }
    }
}
