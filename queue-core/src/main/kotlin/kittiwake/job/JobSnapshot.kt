package kittiwake.job

import kittiwake.KittiwakeSpi
import kotlin.time.Instant

/** One job as it was when somebody looked. */
public class JobSnapshot
    @KittiwakeSpi
    public constructor(
        /** The job's number. */
        public val id: JobId,
        /** What kind of job it is. */
        public val name: JobName,
        /** The queue it waits or waited in. */
        public val queue: QueueName,
        /** Higher runs first. */
        public val priority: Int,
        /** The args as they are stored. */
        public val args: String,
        /** Where its ticket lies. */
        public val state: JobState,
        /** How many attempts have begun and count. */
        public val attempts: Int,
        /** After this many it is discarded. */
        public val maxAttempts: Int,
        /** When it was enqueued. */
        public val enqueuedAt: Instant,
        /** What the enqueuer attached. */
        public val metadata: Map<String, String>,
        /** The job that enqueued it, if any. */
        public val parent: JobId?,
        /** The result as it is stored; null until it is completed, and for jobs without a result. */
        public val result: String?,
        /** The failures so far, oldest first. */
        public val failures: List<AttemptFailure>,
    ) {
        override fun toString(): String = "job $id \"$name\" in queue $queue: $state"
    }

/** An attempt that did not complete its job. */
public class AttemptFailure
    @KittiwakeSpi
    public constructor(
        /** Which attempt it was, counted from 1. */
        public val attempt: Int,
        /** When it ended. */
        public val at: Instant,
        /** The exception with its trace, cut to 10,000 characters. */
        public val error: String,
    ) {
        override fun toString(): String = "attempt $attempt at $at: ${error.lineSequence().first()}"
    }
