package kittiwake.store

import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName

/**
 * "Look now" signals. They are hints: every one may be lost or come twice, and polling finds the jobs all the same.
 *
 * A queue is *quiet* while somebody sleeps there; only then do enqueuers signal, so that under load nobody does. Who
 * sleeps may *offer* to take one job: then an enqueuer can hand it over in its own transaction, and nobody has to claim
 * it.
 */
@KittiwakeSpi
public interface Wakeups {
    /** Tells [ears] what it hears. It ends only by cancellation and heals itself. */
    public suspend fun listen(ears: Ears)

    /** From now on enqueuers to [queue] signal. Whoever calls this looks once more before it sleeps. */
    public suspend fun quiet(queue: QueueName)

    /**
     * There is room for a job in [queue]: one may be handed over, which [Ears.handedOver] tells. Of a queue that is not
     * quiet, or has an offer that nobody has taken, it does nothing.
     */
    public suspend fun offer(queue: QueueName) {}

    /** Tells of what was handed over and not heard of. */
    public suspend fun lookForHandedOver() {}

    /** The queue is busy: nobody needs to signal, and what it had offered holds no longer. */
    public suspend fun busy(queue: QueueName)

    /** Who hears the signals. They may come from any thread. */
    public interface Ears {
        /** There is news in [queue], or somewhere when it is null. */
        public fun ring(queue: QueueName?)

        /** Somebody has put a job of [queue] into [lease]: see [JobStore.takeUp]. */
        public fun handedOver(queue: QueueName, lease: Long)
    }
}
