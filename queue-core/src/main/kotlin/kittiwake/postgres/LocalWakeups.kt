package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kittiwake.store.Wakeups
import kotlinx.coroutines.awaitCancellation

/** Without notifications: hears what this process commits itself. */
@OptIn(KittiwakeSpi::class)
internal class LocalWakeups(private val locals: LocalBells) : Wakeups {
    override suspend fun listen(ring: (QueueName?) -> Unit) {
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
