package chaos.planted

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.delay
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeoutOrNull
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/** Something that happens once; whoever waits for it goes on after a while all the same, and the history tells. */
class Moment {
    private val reached = CompletableDeferred<Unit>()

    fun reach() {
        reached.complete(Unit)
    }

    suspend fun await(within: Duration = LONG) {
        withTimeoutOrNull(within) { reached.await() }
    }

    fun awaitBlocking(within: Duration = LONG): Unit = runBlocking { await(within) }

    private companion object {
        val LONG = 15.seconds
    }
}

/** Looks again and again, until [isSo] or for as long as [within]. */
suspend fun waitUntil(within: Duration, isSo: () -> Boolean): Boolean {
    val started = TimeSource.Monotonic.markNow()
    while (!isSo()) {
        if (started.elapsedNow() > within) return false
        delay(LOOK_EVERY)
    }
    return true
}

private val LOOK_EVERY = 20.milliseconds
