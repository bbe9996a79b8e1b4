package kittiwake.store

import kittiwake.job.Ending
import kotlin.time.Instant

/** What became of a wish to cancel a job: never a silent success. */
public sealed interface Cancellation {
    /**
     * The job is cancelled. If it was running, nothing that its attempt still writes through Kittiwake takes effect.
     */
    public data object Cancelled : Cancellation

    /** It had ended before. */
    public class AlreadyEnded internal constructor(public val ending: Ending, public val at: Instant) : Cancellation {
        override fun toString(): String = "AlreadyEnded($ending at $at)"
    }

    /** No such job, or one that ended so long ago that it is forgotten. */
    public data object NotFound : Cancellation
}
