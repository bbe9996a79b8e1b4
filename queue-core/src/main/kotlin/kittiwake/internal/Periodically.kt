package kittiwake.internal

import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import org.slf4j.Logger
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/**
 * Repeats [step] until cancelled, whether it suspends or not. A failure is logged once per change of health, waited out
 * ever longer, and tried again.
 */
internal suspend fun forever(what: String, log: Logger, random: Random, step: suspend () -> Unit): Nothing {
    val health = Health(what, log, random)
    while (true) {
        currentCoroutineContext().ensureActive()
        try {
            step()
            health.recovered()
        } catch (e: Exception) {
            currentCoroutineContext().ensureActive()
            delay(health.failed(e))
        }
    }
}

/**
 * Does [step] about every [interval]: a tenth earlier or later, so that processes started together do not stay in step.
 */
internal suspend fun periodically(
    what: String,
    interval: Duration,
    log: Logger,
    random: Random,
    step: suspend () -> Unit,
): Nothing = forever(what, log, random) {
    step()
    delay(random.jittered(interval))
}

internal fun Random.jittered(duration: Duration): Duration = duration * (0.9 + 0.2 * nextDouble())

/** Counts failures in a row: says so once, and how long to wait before the next try. */
internal class Health(private val what: String, private val log: Logger, private val random: Random) {
    private var failures = 0

    fun failed(cause: Exception): Duration {
        if (failures++ == 0) log.warn("{} fails and goes on: {}", what, cause.toString(), cause)
        return random.jittered((FIRST_WAIT * (1 shl (failures - 1).coerceAtMost(10))).coerceAtMost(LONGEST_WAIT))
    }

    fun recovered() {
        if (failures > 0) log.info("{} has recovered after {} failures", what, failures)
        failures = 0
    }

    private companion object {
        val FIRST_WAIT = 50.milliseconds
        val LONGEST_WAIT = 5.seconds
    }
}
