package chaos.fault

import chaos.plan.Fault
import chaos.plan.FaultKind
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import java.sql.SQLException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/** A family of harms that can be done to a site, each for as long as its fault lasts. */
internal interface Harm {
    val kinds: Set<FaultKind>

    /** Before the first fault. */
    fun prepare(): Unit = Unit

    /** Does it, waits, and takes it back whatever happens. */
    suspend fun inflict(fault: Fault): Struck

    /** Takes back what may have been left behind. Nothing happens when there is nothing. */
    fun heal()
}

/** How often a fault demonstrably struck, and what else is to be said of it. */
internal class Struck(val strikes: Int, val note: String? = null)

/** Until [lasts] is over, does [block] every [pause]. */
internal suspend fun during(lasts: Duration, pause: Duration, block: suspend () -> Unit) {
    val since = TimeSource.Monotonic.markNow()
    while (since.elapsedNow() < lasts) {
        block()
        delay(minOf(pause, lasts - since.elapsedNow()).coerceAtLeast(1.milliseconds))
    }
}

/** Once more when the server is in the middle of something else: it crashed, or a lock was not to be had. */
internal fun <T> persistently(atMost: Duration = 30.seconds, block: () -> T): T {
    val since = TimeSource.Monotonic.markNow()
    while (true) {
        try {
            return block()
        } catch (e: SQLException) {
            if (since.elapsedNow() > atMost) throw e
            Thread.sleep(RETRY_PAUSE)
        }
    }
}

/** [block], or null when the server could not be asked just now. */
internal suspend fun <T : Any> ifPossible(block: suspend () -> T?): T? = try {
    block()
} catch (e: CancellationException) {
    throw e
} catch (_: SQLException) {
    currentCoroutineContext().ensureActive()
    null
}

private const val RETRY_PAUSE = 100L
