package kittiwake.job

import kotlin.time.Instant

/** Where a job's ticket lies, and what is known there. */
public sealed interface JobState {
    /** Put off: delayed, snoozed or waiting to be tried again. */
    public class Scheduled(public val runAt: Instant) : JobState {
        override fun toString(): String = "scheduled for $runAt"
    }

    /** Waiting for a free worker. */
    public data object Ready : JobState

    /** Claimed by [worker], which is at [attempt]. */
    public class Running(public val worker: WorkerId, public val attempt: Int, public val since: Instant) : JobState {
        override fun toString(): String = "running (attempt $attempt, worker $worker, since $since)"
    }

    /** Ended for good; kept in the archive until its retention is over. */
    public class Ended(public val ending: Ending, public val at: Instant) : JobState {
        override fun toString(): String = "${ending.name.lowercase()} at $at"
    }
}

/** How a job ended. */
public enum class Ending {
    /** Its handler did what it should. */
    COMPLETED,

    /** Its attempts were used up, its policy gave up, or its handler discarded it. */
    DISCARDED,

    /** Somebody called it off. */
    CANCELLED,
}
