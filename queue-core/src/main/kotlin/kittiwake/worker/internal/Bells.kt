package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kittiwake.store.Wakeups
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.withTimeoutOrNull
import java.util.concurrent.ConcurrentHashMap
import kotlin.time.Duration

/**
 * One bell a queue: rung by whoever heard of news, answered by the queue's claim loop. Rung twice before an answer is
 * rung once. What was handed over is a matter of its own: each time counts.
 */
@OptIn(KittiwakeSpi::class)
internal class Bells(queues: Collection<QueueName>) : Wakeups.Ears {
    private val bells = queues.associateWith { Channel<Unit>(Channel.CONFLATED) }

    /** As many at most as were offered. */
    private val handedOver = queues.associateWith { Channel<Long>(Channel.UNLIMITED) }
    private val sleepers: MutableSet<QueueName> = ConcurrentHashMap.newKeySet()

    /** The queues in which nobody does anything until the bell rings or the time is over. */
    val asleep: Set<QueueName> get() = sleepers.toCollection(mutableSetOf())

    /** Rings for [queue], or for all when it is null. */
    override fun ring(queue: QueueName?) {
        if (queue != null) bells[queue]?.trySend(Unit) else bells.values.forEach { it.trySend(Unit) }
    }

    override fun handedOver(queue: QueueName, lease: Long) {
        handedOver[queue]?.trySend(lease)
    }

    /** Suspends until a job of [queue] is handed over, and returns its lease. */
    suspend fun nextHandedOver(queue: QueueName): Long = handedOver.getValue(queue).receive()

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
