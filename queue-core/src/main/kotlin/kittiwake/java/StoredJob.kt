package kittiwake.java

import kittiwake.ArgsDecodingException
import kittiwake.job.AttemptFailure
import kittiwake.job.Ending
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.JobType
import java.time.Instant
import java.util.Optional
import java.util.OptionalLong
import kotlin.time.toJavaInstant

/**
 * One job as it was when somebody looked.
 *
 * ```java
 * StoredJob job = queue.await(handle.id(), Duration.ofSeconds(30)).orElseThrow();
 * RenderResult rendered = job.result(RENDER);
 * ```
 */
public class StoredJob internal constructor(private val job: JobSnapshot) {
    /** The job's number. */
    public fun id(): Long = job.id.value

    /** What kind of job it is. */
    public fun name(): String = job.name.value

    /** The queue it waits or waited in. */
    public fun queue(): String = job.queue.value

    /** Higher runs first. */
    public fun priority(): Int = job.priority

    /** The args as they are stored. */
    public fun args(): String = job.args

    /** Where it is in its life. */
    public fun state(): State = when (val state = job.state) {
        is JobState.Scheduled -> State.SCHEDULED
        is JobState.Ready -> State.READY
        is JobState.Running -> State.RUNNING
        is JobState.Ended -> when (state.ending) {
            Ending.COMPLETED -> State.COMPLETED
            Ending.DISCARDED -> State.DISCARDED
            Ending.CANCELLED -> State.CANCELLED
        }
    }

    /** When it is due, while it is [State.SCHEDULED]. */
    public fun runAt(): Optional<Instant> =
        Optional.ofNullable((job.state as? JobState.Scheduled)?.runAt?.toJavaInstant())

    /** When it ended, if it did. */
    public fun endedAt(): Optional<Instant> = Optional.ofNullable((job.state as? JobState.Ended)?.at?.toJavaInstant())

    /** How many attempts have begun and count. */
    public fun attempts(): Int = job.attempts

    /** After this many it is discarded. */
    public fun maxAttempts(): Int = job.maxAttempts

    /** When it was enqueued. */
    public fun enqueuedAt(): Instant = job.enqueuedAt.toJavaInstant()

    /** What the enqueuer attached. */
    public fun metadata(): Map<String, String> = job.metadata

    /** The job that enqueued it, if any. */
    public fun parent(): OptionalLong = job.parent?.let { OptionalLong.of(it.value) } ?: OptionalLong.empty()

    /** The failures so far, oldest first. */
    public fun failures(): List<FailedAttempt> = job.failures.map(::FailedAttempt)

    /**
     * What the handler returned, read as [type] says; null for a job without a result.
     *
     * It throws an [IllegalStateException] when the job is not completed, an [IllegalArgumentException] when it is not
     * of [type], and [ArgsDecodingException] when the stored text is not what [type] understands.
     */
    public fun <R> result(type: JobType<*, R>): R {
        require(type.name == job.name) {
            "Job ${job.id} is a \"${job.name}\" and its result is not that of a \"${type.name}\""
        }
        check(state() == State.COMPLETED) {
            val why = job.failures.lastOrNull()?.let { " (last failure: $it)" }.orEmpty()
            "Job ${job.id} \"${job.name}\" has no result, for it is not completed but ${job.state}$why"
        }
        try {
            return type.result.decode(job.result.orEmpty())
        } catch (e: Exception) {
            val what = "The result of job ${job.id} \"${job.name}\""
            throw ArgsDecodingException("$what cannot be decoded by ${type.result}: ${e.message}", e)
        }
    }

    override fun toString(): String = job.toString()

    /** Where a job is in its life; the last three are for good. */
    public enum class State {
        /** Put off: delayed, snoozed or waiting to be tried again. */
        SCHEDULED,

        /** Waiting for a free worker. */
        READY,

        /** Claimed by a worker. */
        RUNNING,

        /** Its handler did what it should. */
        COMPLETED,

        /** Its attempts were used up, its policy gave up, or its handler discarded it. */
        DISCARDED,

        /** Somebody called it off. */
        CANCELLED,
    }
}

/** An attempt that did not complete its job. */
public class FailedAttempt internal constructor(private val failure: AttemptFailure) {
    /** Which attempt it was, counted from 1. */
    public fun attempt(): Int = failure.attempt

    /** When it ended. */
    public fun at(): Instant = failure.at.toJavaInstant()

    /** The exception with its trace, cut to 10,000 characters. */
    public fun error(): String = failure.error

    override fun toString(): String = failure.toString()
}
