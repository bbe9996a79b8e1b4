package kittiwake.store

import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName

/**
 * "Look now" signals. They are hints: every one may be lost or come twice, and polling finds the jobs all the same.
 *
 * A queue is *quiet* while somebody sleeps there; only then do enqueuers signal, so that under load nobody does.
 */
@KittiwakeSpi
public interface Wakeups {
    /**
     * Calls [ring] for each queue with news, with null for "look everywhere". It ends only by cancellation and heals
     * itself.
     */
    public suspend fun listen(ring: (QueueName?) -> Unit)

    /** From now on enqueuers to [queue] signal. Whoever calls this looks once more before it sleeps. */
    public suspend fun quiet(queue: QueueName)

    /** The queue is busy: nobody needs to signal. */
    public suspend fun busy(queue: QueueName)
}
