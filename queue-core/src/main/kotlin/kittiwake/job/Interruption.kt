package kittiwake.job

import kotlin.coroutines.cancellation.CancellationException
import kotlin.time.Duration

/**
 * Why a job's coroutine was cancelled.
 *
 * ```
 * handle { args ->
 *     try {
 *         upload(args)
 *     } catch (e: Interruption) {
 *         if (e is Interruption.CancelledByUser) removeLeftovers(args)
 *         throw e
 *     }
 * }
 * ```
 */
public sealed class Interruption(message: String) : CancellationException(message) {
    /** The attempt took longer than its timeout. It counts as a failed attempt. */
    public class TimedOut internal constructor(public val timeout: Duration) :
        Interruption("The attempt took longer than its timeout of $timeout")

    /** Somebody cancelled the job. Nothing that this attempt still writes through Kittiwake takes effect. */
    public class CancelledByUser internal constructor() : Interruption("The job was cancelled")

    /** This worker was silent for too long and lost the job, which another worker may be running. */
    public class LeaseLost internal constructor() : Interruption("The worker was silent for too long and lost the job")

    /** The worker is stopping and its grace has run out. The job goes back to its queue; the attempt is not used up. */
    public class WorkerStopping internal constructor() : Interruption("The worker is stopping")
}
