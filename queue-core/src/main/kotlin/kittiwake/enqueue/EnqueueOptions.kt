package kittiwake.enqueue

import kittiwake.KittiwakeDsl
import kittiwake.job.JobId
import kotlin.time.Duration
import kotlin.time.Instant

/** What can be said about one job when it is enqueued: the block of every form of enqueue. */
@KittiwakeDsl
public class EnqueueOptions internal constructor() {
    /** Run no earlier than this long after the enqueue, by the database's clock. Default: at once. */
    public var delay: Duration? = null

    /** Run no earlier than this, by the database's clock; the past means now. Default: at once. */
    public var runAt: Instant? = null

    /** Higher runs first within the queue, from -1000 to 1000. Default: what the job type says. */
    public var priority: Int? = null

    /**
     * Among jobs of one priority those with an expected time run first, the earliest expected first. Default: none,
     * after all that have one.
     */
    public var expectedAt: Instant? = null

    /** The queue to wait in. Default: what the job type says. */
    public var queue: String? = null

    /** Instead of the key that the job type makes: at most one unfinished job of this type has it. */
    public var uniqueKey: String? = null

    /** The job this one belongs to. Default: the one in whose handler it is enqueued, if any. */
    public var parent: JobId? = null

    /** Yours: kept with the job, given to its handler, never read by Kittiwake. */
    public val metadata: MutableMap<String, String> = mutableMapOf()
}
