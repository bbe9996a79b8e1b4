package kittiwake.event

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kotlin.time.Duration

/**
 * What happened to a job in this process. Told to [JobObserver]s after the fact: an ending is told when it is written.
 */
@OptIn(KittiwakeSpi::class)
public sealed class JobEvent(
    /** The job it happened to. */
    public val id: JobId,
    /** The name the job was declared with. */
    public val name: String,
    /** The queue it waited in. */
    public val queue: QueueName,
    /** Which try it was, counted from 1. */
    public val attempt: Int,
) {
    override fun toString(): String = "${this::class.simpleName} job $id \"$name\", attempt $attempt"

    /** A handler is about to run. */
    public class Started internal constructor(claim: ClaimedJob) :
        JobEvent(claim.id, claim.name, claim.queue, claim.attempt)

    /** The job is completed and its completion is written. */
    public class Completed internal constructor(claim: ClaimedJob, public val took: Duration) :
        JobEvent(claim.id, claim.name, claim.queue, claim.attempt)

    /** The attempt failed; the next one is due after [retryIn]. */
    public class Failed internal constructor(
        claim: ClaimedJob,
        public val error: String,
        public val retryIn: Duration,
    ) : JobEvent(claim.id, claim.name, claim.queue, claim.attempt)

    /** The job ended without having been done: [reason] says why. */
    public class Discarded internal constructor(claim: ClaimedJob, public val reason: String) :
        JobEvent(claim.id, claim.name, claim.queue, claim.attempt)

    /** The handler put the job off for [delay]. */
    public class Snoozed internal constructor(claim: ClaimedJob, public val delay: Duration) :
        JobEvent(claim.id, claim.name, claim.queue, claim.attempt)

    /**
     * The job goes back to its queue, and the attempt does not count: the worker is stopping, or had claimed the job
     * ahead and does not come to it.
     */
    public class Released internal constructor(claim: ClaimedJob) :
        JobEvent(claim.id, claim.name, claim.queue, claim.attempt)

    /** Somebody cancelled the job while it ran. */
    public class Cancelled internal constructor(claim: ClaimedJob) :
        JobEvent(claim.id, claim.name, claim.queue, claim.attempt)

    /** The worker had lost the job when the attempt ended; nothing of the ending was written. */
    public class LeaseLost internal constructor(claim: ClaimedJob) :
        JobEvent(claim.id, claim.name, claim.queue, claim.attempt)

    /**
     * The worker has ended, and the job's code did not stop within the cancel grace: the worker went on without it.
     *
     * Its claim is not given back, because its code may still run: the job runs again when the lease ends, or elsewhere
     * already if the worker had lost it. Nothing more is told of this attempt, and nothing of it is written any more,
     * except by a transactional handler that still commits before the lease ends.
     */
    public class Abandoned internal constructor(claim: ClaimedJob) :
        JobEvent(claim.id, claim.name, claim.queue, claim.attempt)

    /**
     * The job's worker was silent and this process took the job back: to its queue, or to the archive when its attempts
     * are used up, or the crashes that it is to blame for.
     */
    public class Rescued internal constructor(id: JobId, name: String, queue: QueueName, attempt: Int) :
        JobEvent(id, name, queue, attempt)
}

/**
 * Is told every [JobEvent] of a worker, on the worker's own threads, several at a time: be fast, or hand over.
 *
 * What it throws is logged and changes nothing. How an attempt ended may be told after the next one was begun.
 */
public fun interface JobObserver {
    /** Something happened. */
    public fun on(event: JobEvent)
}
