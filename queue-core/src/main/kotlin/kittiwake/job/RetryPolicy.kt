package kittiwake.job

import kittiwake.internal.CENTURY
import kotlin.math.pow
import kotlin.random.Random
import kotlin.reflect.KClass
import kotlin.time.Duration
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.seconds

/**
 * What to do after a failed attempt, as a value: a function of the attempt and the failure, so it survives restarts.
 *
 * ```
 * val patient = exponential(2.seconds, max = 10.minutes).jittered().limit(8)
 * val picky = fixed(30.seconds).limit(5).onlyFor<IOException>()
 * val staged = fixed(1.seconds).limit(3) then exponential(1.minutes).limit(5)
 * val own = retry { failure -> if (failure.cause is RateLimited) After(1.minutes) else GiveUp("not worth it") }
 * ```
 * A policy that throws, or answers with a negative delay, loses nothing: the worker logs it and waits by
 * [RetryPolicy.Default].
 */
public fun interface RetryPolicy {
    /** Try again after a while, or give up. */
    public fun decide(failure: Failure): RetryDecision

    /** How often a job is tried in all under this policy, or null when it sets no end. */
    public val maxAttempts: Int? get() = null

    public companion object {
        /** Exponential from one second to an hour, jittered: 1, 2, 4 … seconds, give or take a fifth. */
        public val Default: RetryPolicy = exponential(1.seconds, max = 1.hours).jittered()
    }
}

/** A failed attempt: its [cause] and its number, counted from 1. */
public class Failure(public val cause: Throwable, public val attempt: Int) {
    override fun toString(): String = "Failure(attempt=$attempt, cause=$cause)"
}

/** The answer of a [RetryPolicy]. */
public sealed interface RetryDecision

/** Try again when [delay] has passed. */
public class After(public val delay: Duration) : RetryDecision {
    override fun toString(): String = "After($delay)"
}

/** End the job as discarded. [reason] is kept with it. */
public class GiveUp(public val reason: String) : RetryDecision {
    override fun toString(): String = "GiveUp($reason)"
}

/** The same [delay] after every failure. */
public fun fixed(delay: Duration): RetryPolicy {
    requireDelay("fixed", delay)
    return RetryPolicy { After(delay) }
}

/** [step] after the first failure, twice that after the second, and so on, [max] at most. */
public fun linear(step: Duration, max: Duration = Duration.INFINITE): RetryPolicy {
    requireDelay("linear", step)
    require(max >= step) { "linear: max ($max) must not be shorter than step ($step)" }
    return RetryPolicy { After((step * it.attempt).coerceAtMost(minOf(max, CENTURY))) }
}

/** [base] after the first failure, [factor] times longer after each further one, [max] at most. */
public fun exponential(base: Duration, max: Duration = 24.hours, factor: Double = 2.0): RetryPolicy {
    requireDelay("exponential", base)
    require(factor >= 1.0) { "exponential: factor must be at least 1.0, but was $factor" }
    require(max >= base) { "exponential: max ($max) must not be shorter than base ($base)" }
    // A huge factor grows to infinity, of which zero times is no number.
    return RetryPolicy {
        val growth = factor.pow(it.attempt - 1).coerceAtMost(Double.MAX_VALUE)
        After((base * growth).coerceAtMost(minOf(max, CENTURY)))
    }
}

/** No second try: every failure ends the job. */
public val never: RetryPolicy =
    object : RetryPolicy {
        override val maxAttempts = 1

        override fun decide(failure: Failure) = GiveUp("it is never tried again")

        override fun toString() = "never"
    }

/** A policy of your own. */
public fun retry(decide: (Failure) -> RetryDecision): RetryPolicy = RetryPolicy(decide)

/**
 * Spreads the delays by up to [factor] (0.0 to 1.0) either way, so that jobs which failed together do not return
 * together.
 */
public fun RetryPolicy.jittered(factor: Double = 0.2, random: Random = Random): RetryPolicy {
    require(factor in 0.0..1.0) { "jittered: factor must be between 0.0 and 1.0, but was $factor" }
    return changing { _, decision ->
        if (decision is After) After(decision.delay * (1 + factor * (2 * random.nextDouble() - 1))) else decision
    }
}

/** Gives up when the job has been tried [attempts] times in all. */
public fun RetryPolicy.limit(attempts: Int): RetryPolicy {
    require(attempts in 1..MAX_ATTEMPTS) { "limit: attempts must be between 1 and $MAX_ATTEMPTS, but was $attempts" }
    return Limited(this, attempts)
}

/** Gives up at once on causes that are no [E]. */
public inline fun <reified E : Throwable> RetryPolicy.onlyFor(): RetryPolicy = onlyFor(E::class)

/** Gives up at once on causes that are none of [types]. */
public fun RetryPolicy.onlyFor(vararg types: KClass<out Throwable>): RetryPolicy = changing { failure, decision ->
    if (types.any { it.isInstance(failure.cause) }) {
        decision
    } else {
        GiveUp("${failure.cause::class.simpleName} is not retried")
    }
}

/** Gives up at once on causes that are an [E]. */
public inline fun <reified E : Throwable> RetryPolicy.except(): RetryPolicy = except(E::class)

/** Gives up at once on causes that are one of [types]. */
public fun RetryPolicy.except(vararg types: KClass<out Throwable>): RetryPolicy = changing { failure, decision ->
    if (types.none { it.isInstance(failure.cause) }) {
        decision
    } else {
        GiveUp("${failure.cause::class.simpleName} is not retried")
    }
}

/**
 * This policy for as many attempts as its [limit] says, then [next], which counts from 1 again: `limit(3) then
 * limit(5)` tries eight times.
 */
public infix fun RetryPolicy.then(next: RetryPolicy): RetryPolicy {
    val first =
        requireNotNull(maxAttempts) { "then: the first policy needs a limit(n), or the second would never be reached" }
    return Staged(this, first, next)
}

internal const val MAX_ATTEMPTS = 32_000

/** A policy that can be had without the limit at its end: where [then] goes on, there is nothing to give up. */
private interface Endable : RetryPolicy {
    val endless: RetryPolicy
}

private val RetryPolicy.endless: RetryPolicy get() = (this as? Endable)?.endless ?: this

private class Limited(val policy: RetryPolicy, limit: Int) : Endable {
    override val maxAttempts = minOf(limit, policy.maxAttempts ?: limit)

    override val endless get() = policy.endless

    override fun decide(failure: Failure) =
        if (failure.attempt < maxAttempts) policy.decide(failure) else GiveUp("it was tried $maxAttempts times")
}

private class Staged(private val stage: RetryPolicy, private val attempts: Int, private val next: RetryPolicy) :
    Endable {
    override val maxAttempts = next.maxAttempts?.let { attempts + it }

    override val endless get() = Staged(stage, attempts, next.endless)

    override fun decide(failure: Failure) = if (failure.attempt <= attempts) {
        stage.endless.decide(failure)
    } else {
        next.decide(Failure(failure.cause, failure.attempt - attempts))
    }
}

private class Changed(val policy: RetryPolicy, val change: (Failure, RetryDecision) -> RetryDecision) : Endable {
    override val maxAttempts get() = policy.maxAttempts

    override val endless get() = Changed(policy.endless, change)

    override fun decide(failure: Failure) = change(failure, policy.decide(failure))
}

private fun RetryPolicy.changing(change: (Failure, RetryDecision) -> RetryDecision): RetryPolicy = Changed(this, change)

private fun requireDelay(policy: String, delay: Duration) = require(!delay.isNegative() && delay.isFinite()) {
    "$policy: a delay must be zero or longer and finite, but was $delay"
}
