package kittiwake.internal

import kotlinx.coroutines.channels.ReceiveChannel
import kotlinx.coroutines.delay
import kotlin.time.Duration

/**
 * The next batch of this channel: at least one, at most [limit], after a [window] for more to come in; null when it is
 * closed and empty.
 *
 * Nothing is lost when the caller is cancelled while it waits for the first. The window must not be cancelled.
 */
internal suspend fun <T : Any> ReceiveChannel<T>.receiveBatch(
    limit: Int,
    window: (first: List<T>) -> Duration,
): List<T>? {
    val first = receiveCatching().getOrNull() ?: return null
    val batch = mutableListOf(first)
    drainTo(batch, limit)
    if (batch.size < limit) {
        delay(window(batch))
        drainTo(batch, limit)
    }
    return batch
}

private fun <T : Any> ReceiveChannel<T>.drainTo(batch: MutableList<T>, limit: Int) {
    while (batch.size < limit) batch += tryReceive().getOrNull() ?: return
}
