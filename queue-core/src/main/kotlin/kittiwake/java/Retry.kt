package kittiwake.java

import kittiwake.job.After
import kittiwake.job.GiveUp
import kittiwake.job.RetryDecision
import kittiwake.job.RetryPolicy
import kittiwake.job.except
import kittiwake.job.jittered
import kittiwake.job.limit
import kittiwake.job.onlyFor
import kittiwake.job.then
import java.time.Duration
import kotlin.time.toKotlinDuration
import kittiwake.job.exponential as exponentialPolicy
import kittiwake.job.fixed as fixedPolicy
import kittiwake.job.linear as linearPolicy
import kittiwake.job.never as neverPolicy

/**
 * What to do after a failed attempt, as a value.
 *
 * ```java
 * Retry patient = Retry.exponential(Duration.ofSeconds(2), Duration.ofMinutes(10)).jittered().limit(8);
 * Retry picky = Retry.fixed(Duration.ofSeconds(30)).limit(5).onlyFor(IOException.class);
 * Retry staged = Retry.fixed(Duration.ofSeconds(1)).limit(3).then(Retry.exponential(Duration.ofMinutes(1)).limit(5));
 * Retry own = Retry.by((cause, attempt) ->
 *     cause instanceof RateLimited r ? Retry.after(r.pause()) : Retry.giveUp("not worth it"));
 * ```
 * Each call returns a new policy and changes none. A wrong value throws an [IllegalArgumentException] at once.
 */
public class Retry private constructor(
    @get:JvmSynthetic internal val policy: RetryPolicy,
) {
    /** Spreads the delays by up to a fifth either way, so that jobs which failed together do not return together. */
    public fun jittered(): Retry = Retry(policy.jittered())

    /** Spreads the delays by up to [factor] (0.0 to 1.0) either way. */
    public fun jittered(factor: Double): Retry = Retry(policy.jittered(factor))

    /** Gives up when the job has been tried [attempts] times in all. */
    public fun limit(attempts: Int): Retry = Retry(policy.limit(attempts))

    /** Gives up at once on causes that are none of [types]. */
    @SafeVarargs
    public fun onlyFor(vararg types: Class<out Throwable>): Retry = Retry(policy.onlyFor(*kotlinOf(types)))

    /** Gives up at once on causes that are one of [types]. */
    @SafeVarargs
    public fun except(vararg types: Class<out Throwable>): Retry = Retry(policy.except(*kotlinOf(types)))

    /**
     * This policy for as many attempts as its [limit] says, then [next], which counts from 1 again: `limit(3)` then
     * `limit(5)` tries eight times.
     */
    public fun then(next: Retry): Retry = Retry(policy.then(next.policy))

    override fun toString(): String = "Retry($policy)"

    /** A policy of your own: see [by]. */
    public fun interface Policy {
        /** What to do after attempt number [attempt], counted from 1, failed with [cause]. */
        public fun decide(cause: Throwable, attempt: Int): RetryDecision
    }

    public companion object {
        /** The same [delay] after every failure. */
        @JvmStatic
        public fun fixed(delay: Duration): Retry = Retry(fixedPolicy(delay.toKotlinDuration()))

        /** [step] after the first failure, twice that after the second, and so on. */
        @JvmStatic
        public fun linear(step: Duration): Retry = Retry(linearPolicy(step.toKotlinDuration()))

        /** [step] after the first failure, twice that after the second, and so on, [max] at most. */
        @JvmStatic
        public fun linear(step: Duration, max: Duration): Retry =
            Retry(linearPolicy(step.toKotlinDuration(), max.toKotlinDuration()))

        /** [base] after the first failure, twice as long after each further one, 24 hours at most. */
        @JvmStatic
        public fun exponential(base: Duration): Retry = Retry(exponentialPolicy(base.toKotlinDuration()))

        /** [base] after the first failure, twice as long after each further one, [max] at most. */
        @JvmStatic
        public fun exponential(base: Duration, max: Duration): Retry =
            Retry(exponentialPolicy(base.toKotlinDuration(), max.toKotlinDuration()))

        /** [base] after the first failure, [factor] times longer after each further one, [max] at most. */
        @JvmStatic
        public fun exponential(base: Duration, max: Duration, factor: Double): Retry =
            Retry(exponentialPolicy(base.toKotlinDuration(), max.toKotlinDuration(), factor))

        /** No second try: every failure ends the job. */
        @JvmStatic
        public fun never(): Retry = Retry(neverPolicy)

        /**
         * What [policy] says, which should answer by [after] or [giveUp].
         *
         * One that throws, or answers with a negative delay, loses nothing: the worker logs it and waits by the default
         * policy.
         */
        @JvmStatic
        public fun by(policy: Policy): Retry = Retry(RetryPolicy { policy.decide(it.cause, it.attempt) })

        /** Try again when [delay] has passed: an answer for [by]. */
        @JvmStatic
        public fun after(delay: Duration): RetryDecision = After(delay.toKotlinDuration())

        /** End the job as discarded; [reason] is kept with it: an answer for [by]. */
        @JvmStatic
        public fun giveUp(reason: String): RetryDecision = GiveUp(reason)
    }
}

private fun kotlinOf(types: Array<out Class<out Throwable>>) = Array(types.size) { types[it].kotlin }
