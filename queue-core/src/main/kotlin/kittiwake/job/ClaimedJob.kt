package kittiwake.job

import kittiwake.KittiwakeSpi
import kotlin.time.Instant

/** A job as the worker that claimed it sees it. */
@KittiwakeSpi
public class ClaimedJob(
    /** The job's number. */
    public val id: JobId,
    /** The batch it was claimed in: what its completion is fenced with, together with the worker's id. */
    public val lease: Long,
    /** Whose claim it is. */
    public val worker: WorkerId,
    /** Which try this is, counted from 1. */
    public val attempt: Int,
    /** The name as it is stored; a handler is looked up by it. */
    public val name: String,
    /** The queue it waited in. */
    public val queue: QueueName,
    /** Higher runs first. */
    public val priority: Int,
    /** The args as they are stored. */
    public val args: String,
    /** After this many tries it is discarded. */
    public val maxAttempts: Int,
    /** When it was enqueued, by the store's clock. */
    public val enqueuedAt: Instant,
    /** The job that enqueued it, if any. */
    public val parent: JobId?,
    /** What the enqueuer attached, as it is stored. */
    public val metadata: String?,
    /** How often it is to blame, perhaps with others, that its worker fell silent. */
    public val crashes: Int,
    /** Whether it stays in the archive for some time when it is completed. */
    public val isArchived: Boolean = true,
) {
    /** It was aboard so often when a worker fell silent that it runs as the only one of its kind in a worker. */
    public val isSuspect: Boolean get() = crashes >= SUSPECT_AFTER

    override fun toString(): String = "job $id \"$name\" (attempt $attempt of $maxAttempts, queue $queue, lease $lease)"
}

/** Once may be an accident. Twice is a pattern, and the next time is to show whose. */
internal const val SUSPECT_AFTER = 2
