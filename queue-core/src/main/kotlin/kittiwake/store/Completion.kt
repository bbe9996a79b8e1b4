package kittiwake.store

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kotlin.time.Duration

/** How an attempt ended: the one value that is written of it, once. */
@KittiwakeSpi
public sealed class Completion(
    /** The attempt that ended. */
    public val claim: ClaimedJob,
    /** How long it ran, by this process's clock. */
    public val took: Duration,
) {
    /** The job is over. */
    public sealed class End(claim: ClaimedJob, took: Duration) : Completion(claim, took) {
        /** Whether nothing is to be kept of the job, neither of how it ended nor of attempts that failed. */
        public open val isForgotten: Boolean get() = false
    }

    /** The job runs again. */
    public sealed class Return(claim: ClaimedJob, took: Duration) : Completion(claim, took)

    /** The handler did what it should. */
    public class Succeeded(claim: ClaimedJob, took: Duration, public val result: String?) : End(claim, took) {
        override val isForgotten: Boolean get() = !claim.isArchived && claim.attempt == 1
    }

    /** The job ends without having been done. */
    public class Discarded(claim: ClaimedJob, took: Duration, public val error: String) : End(claim, took)

    /**
     * The job was ended elsewhere: in the handler's own transaction, or by somebody who cancelled it. Only the claim is
     * given up.
     */
    public class Settled(claim: ClaimedJob, took: Duration, public val reason: Reason) : End(claim, took) {
        /** Who ended it. */
        public enum class Reason { WRITTEN_BY_HANDLER, CANCELLED }
    }

    /** The attempt failed and counts; the next one is due after [delay]. */
    public class Failed(claim: ClaimedJob, took: Duration, public val error: String, public val delay: Duration) :
        Return(claim, took)

    /** Put off by its handler; the attempt does not count. */
    public class Snoozed(claim: ClaimedJob, took: Duration, public val delay: Duration) : Return(claim, took)

    /** Given back by a worker that stops or does not come to it; the attempt does not count. */
    public class Released(claim: ClaimedJob, took: Duration) : Return(claim, took)

    override fun toString(): String = "${this::class.simpleName} $claim"
}
