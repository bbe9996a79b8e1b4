package kittiwake.job

import kittiwake.KittiwakeDsl
import kittiwake.KittiwakeSpi
import kotlin.time.Duration

/**
 * How a handler that did not throw wants its job to go on. Made by [DecisionScope] only, so that it cannot be dropped
 * by accident.
 */
public sealed class Outcome<out R> {
    /** The job is completed, with [result]. */
    public class Done<out R> internal constructor(public val result: R) : Outcome<R>()

    /** The job runs again after [delay]; this attempt does not count. */
    public class Snoozed internal constructor(public val delay: Duration) : Outcome<Nothing>()

    /** The job ends for good without having been done, whatever attempts are left. */
    public class Discarded internal constructor(public val reason: String) : Outcome<Nothing>()

    /** The handler has written the completion itself, in its own transaction. */
    @KittiwakeSpi
    public object Written : Outcome<Nothing>()

    public companion object {
        /** The outcome of a handler that simply returned. */
        @KittiwakeSpi
        public fun <R> done(result: R): Outcome<R> = Done(result)
    }
}

/** Where the outcomes can be said: the receiver of `decide { }`, which must return one of them. */
@KittiwakeDsl
public class DecisionScope<R> internal constructor(job: JobScope) : JobScope by job {
    /** Completes the job with [result]. */
    public fun done(result: R): Outcome<R> = Outcome.Done(result)

    /** Puts the job off for [delay] without using up an attempt. It throws when the delay is negative or infinite. */
    public fun snooze(delay: Duration): Outcome<R> {
        require(!delay.isNegative() && delay.isFinite()) {
            "snooze: a delay must be zero or longer and finite, but was $delay"
        }
        return Outcome.Snoozed(delay)
    }

    /** Ends the job as discarded, whatever attempts are left. [reason] is kept with it. */
    public fun discard(reason: String): Outcome<R> = Outcome.Discarded(reason)
}

/** Completes a job that has no result. */
public fun DecisionScope<Unit>.done(): Outcome<Unit> = done(Unit)
