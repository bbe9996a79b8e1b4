package kittiwake.store

import kittiwake.job.QueueName
import java.util.concurrent.CopyOnWriteArraySet

/** The bells of the workers in this process: they need no signal through the database. */
internal class LocalBells {
    private val bells = CopyOnWriteArraySet<(QueueName?) -> Unit>()

    fun add(ring: (QueueName?) -> Unit) {
        bells += ring
    }

    fun remove(ring: (QueueName?) -> Unit) {
        bells -= ring
    }

    fun ring(queue: QueueName) {
        bells.forEach { it(queue) }
    }
}
