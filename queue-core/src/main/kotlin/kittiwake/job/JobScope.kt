package kittiwake.job

import kittiwake.KittiwakeSpi
import kotlinx.coroutines.CoroutineScope
import kotlin.time.Instant

/**
 * What a handler knows of the job it works, and the scope its child coroutines live in: a job ends when its children
 * end.
 *
 * The scope is cancelled with an [Interruption] that says why.
 */
public interface JobScope : CoroutineScope {
    /** The same over all attempts of the job: use it to make outside effects idempotent. */
    public val id: JobId

    /** The name the job was declared with. */
    public val name: JobName

    /** The queue it waited in. */
    public val queue: QueueName

    /** Which try this is, counted from 1. */
    public val attempt: Int

    /** After this many tries the job is discarded. */
    public val maxAttempts: Int

    /** When the job was enqueued, by the database's clock. */
    public val enqueuedAt: Instant

    /** The job in whose handler this one was enqueued, if any. */
    public val parent: JobId?

    /** What the enqueuer attached. */
    public val metadata: Map<String, String>

    /** The right to this job while this worker lives: what a completion is fenced with. */
    @KittiwakeSpi
    public val claim: ClaimedJob
}

/** Whether a failure now would end the job. */
public val JobScope.isLastAttempt: Boolean get() = attempt >= maxAttempts
