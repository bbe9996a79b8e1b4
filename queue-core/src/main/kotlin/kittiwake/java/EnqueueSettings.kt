package kittiwake.java

import kittiwake.enqueue.EnqueueOptions
import kittiwake.job.JobId
import java.time.Duration
import java.time.Instant
import kotlin.time.toKotlinDuration
import kotlin.time.toKotlinInstant

/**
 * What can be said about one job when it is enqueued.
 *
 * ```java
 * queue.enqueue(connection, RESIZE, args, job -> job.delay(Duration.ofMinutes(10)).priority(5));
 * ```
 */
public class EnqueueSettings internal constructor(private val options: EnqueueOptions) {
    /** Run no earlier than this long after the enqueue, by the database's clock. Default: at once. */
    public fun delay(delay: Duration): EnqueueSettings = also { options.delay = delay.toKotlinDuration() }

    /** Run no earlier than this, by the database's clock; the past means now. Default: at once. */
    public fun runAt(time: Instant): EnqueueSettings = also { options.runAt = time.toKotlinInstant() }

    /** Higher runs first within the queue, from -1000 to 1000. Default: what the job type says. */
    public fun priority(priority: Int): EnqueueSettings = also { options.priority = priority }

    /**
     * Among jobs of one priority those with an expected time run first, the earliest expected first. Default: none,
     * after all that have one.
     */
    public fun expectedAt(time: Instant): EnqueueSettings = also { options.expectedAt = time.toKotlinInstant() }

    /** The queue to wait in. Default: what the job type says. */
    public fun queue(name: String): EnqueueSettings = also { options.queue = name }

    /** Instead of the key that the job type makes: at most one unfinished job of this type has it. */
    public fun uniqueKey(key: String): EnqueueSettings = also { options.uniqueKey = key }

    /** The job this one belongs to. Default: the one in whose handler it is enqueued, if any. */
    public fun parent(id: Long): EnqueueSettings = also { options.parent = JobId(id) }

    /** Attaches something of yours: kept with the job, given to its handler, never read by Kittiwake. */
    public fun metadata(key: String, value: String): EnqueueSettings = also { options.metadata[key] = value }
}
