package kittiwake.java

import kittiwake.job.JobScope
import kittiwake.job.isLastAttempt
import java.time.Instant
import java.util.OptionalLong
import kotlin.time.toJavaInstant

/** What a handler knows of the job it works: one try of it. */
public class JobAttempt internal constructor(private val job: JobScope) {
    /** The job's number, the same over all its attempts: use it to make outside effects idempotent. */
    public fun id(): Long = job.id.value

    /** The name the job was declared with. */
    public fun name(): String = job.name.value

    /** The queue it waited in. */
    public fun queue(): String = job.queue.value

    /** Which try this is, counted from 1. */
    public fun attempt(): Int = job.attempt

    /** After this many tries the job is discarded. */
    public fun maxAttempts(): Int = job.maxAttempts

    /** Whether a failure now would end the job. */
    public fun isLastAttempt(): Boolean = job.isLastAttempt

    /** When the job was enqueued, by the database's clock. */
    public fun enqueuedAt(): Instant = job.enqueuedAt.toJavaInstant()

    /** What the enqueuer attached. */
    public fun metadata(): Map<String, String> = job.metadata

    /** The job in whose handler this one was enqueued, if any. */
    public fun parent(): OptionalLong = job.parent?.let { OptionalLong.of(it.value) } ?: OptionalLong.empty()

    override fun toString(): String = job.toString()
}
