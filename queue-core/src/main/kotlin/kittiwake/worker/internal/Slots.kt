package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.worker.CLAIM_BATCH
import kotlinx.coroutines.channels.Channel

/**
 * The places of one queue: so many jobs run, so many more wait claimed in memory. A claim asks for as many as there is
 * room for.
 *
 * Room is made in bulk: with a prefetch, not before half of it is used up, so that claims stay large.
 */
@OptIn(KittiwakeSpi::class)
internal class Slots(private val concurrency: Int, private val prefetch: Int) {
    private val waiting = ArrayDeque<ClaimedJob>()
    private var running = 0
    private val left = Channel<Unit>(Channel.CONFLATED)

    /** How many may be claimed now, or zero. */
    fun room(): Int = synchronized(this) {
        if (waiting.size >
            prefetch / 2
        ) {
            0
        } else {
            (concurrency + prefetch - running - waiting.size).coerceIn(0, CLAIM_BATCH)
        }
    }

    /** Suspends until at least one may be claimed. */
    suspend fun awaitRoom(): Int {
        while (true) {
            room().let { if (it > 0) return it }
            left.receive()
        }
    }

    /** Takes [jobs] in, and returns those to start now. */
    fun take(jobs: List<ClaimedJob>): List<ClaimedJob> = synchronized(this) {
        waiting += jobs
        List((concurrency - running).coerceIn(0, waiting.size)) {
            waiting.removeFirst()
        }.also { running += it.size }
    }

    /** A job has ended: its place goes to the next that waits, or becomes free. */
    fun next(): ClaimedJob? {
        val next = synchronized(this) { waiting.removeFirstOrNull() ?: null.also { running-- } }
        left.trySend(Unit)
        return next
    }

    /** Takes out all that were claimed and not started. */
    fun clear(): List<ClaimedJob> = synchronized(this) { waiting.toList().also { waiting.clear() } }
}
