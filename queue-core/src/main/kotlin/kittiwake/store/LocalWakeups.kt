package kittiwake.store

import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kotlinx.coroutines.awaitCancellation

/** What is heard without notifications: what this process commits itself. */
@OptIn(KittiwakeSpi::class)
internal class LocalWakeups(private val locals: LocalBells) : Wakeups {
    override suspend fun listen(ears: Wakeups.Ears) {
        val ring = ears::ring
        locals.add(ring)
        try {
            awaitCancellation()
        } finally {
            locals.remove(ring)
        }
    }

    override suspend fun quiet(queue: QueueName): Unit = Unit

    override suspend fun busy(queue: QueueName): Unit = Unit
}
