package kittiwake.worker.internal

import kittiwake.job.QueueName
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.withTimeoutOrNull
import java.util.concurrent.ConcurrentHashMap
import kotlin.time.Duration

/**
 * One bell a queue: rung by whoever heard of news, answered by the queue's claim loop. Rung twice before an answer is
 * rung once.
 */
internal class Bells(queues: Collection<QueueName>) {
    private val bells = queues.associateWith { Channel<Unit>(Channel.CONFLATED) }
    private val sleepers: MutableSet<QueueName> = ConcurrentHashMap.newKeySet()

    /** The queues in which nobody does anything until the bell rings or the time is over. */
    val asleep: Set<QueueName> get() = sleepers.toCollection(mutableSetOf())

    /** Rings for [queue], or for all when it is null. */
    fun ring(queue: QueueName?) {
        if (queue != null) bells[queue]?.trySend(Unit) else bells.values.forEach { it.trySend(Unit) }
    }

    /** Returns when the bell of [queue] has rung since the last answer, or after [timeout]. True if it rang. */
    suspend fun await(queue: QueueName, timeout: Duration): Boolean {
        sleepers += queue
        try {
            return withTimeoutOrNull(timeout) { bells.getValue(queue).receive() } != null
        } finally {
            sleepers -= queue
        }
    }
}
