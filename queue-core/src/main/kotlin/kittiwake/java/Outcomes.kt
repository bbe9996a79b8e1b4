@file:JvmName("Outcomes")

package kittiwake.java

import kittiwake.job.Outcome
import java.time.Duration
import kotlin.time.toKotlinDuration

/** Completes a job that has no result. */
public fun done(): Outcome<Void?> = Outcome.Done(null)

/** Completes the job with [result], which is stored with it. */
public fun <R : Any> done(result: R): Outcome<R> = Outcome.Done(result)

/** Puts the job off for [delay] without using up an attempt. It throws when the delay is negative. */
public fun <R> snooze(delay: Duration): Outcome<R> {
    require(!delay.isNegative) { "snooze: a delay must be zero or longer, but was $delay" }
    return Outcome.Snoozed(delay.toKotlinDuration())
}

/** Ends the job as discarded, whatever attempts are left. [reason] is kept with it. */
public fun <R> discard(reason: String): Outcome<R> = Outcome.Discarded(reason)
