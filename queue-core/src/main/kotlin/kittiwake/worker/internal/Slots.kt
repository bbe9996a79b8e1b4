package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.worker.CLAIM_BATCH
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlin.time.ComparableTimeMark
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/**
 * The places of one queue: so many jobs run, some more wait claimed in memory. A claim asks for as many as there is
 * room for. How many may wait is the [prefetch], or without one what the [Pace] of late makes worth while.
 *
 * Room is made in bulk: not before half of what may wait is used up, so that claims stay large.
 */
@OptIn(KittiwakeSpi::class)
internal class Slots(
    private val concurrency: Int,
    private val prefetch: Int?,
    private val time: TimeSource.WithComparableMarks,
) {
    private class Waiting(val claim: ClaimedJob, val since: ComparableTimeMark)

    private val pace = Pace(time)
    private val waiting = ArrayDeque<Waiting>()
    private var running = 0
    private var isRoomAwaited = false
    private val roomMade = Channel<Unit>(Channel.CONFLATED)
    private val madeToWait = Channel<Unit>(Channel.CONFLATED)

    /** How many may be claimed now, or zero. */
    fun room(): Int = synchronized(this) {
        val ahead = prefetch ?: pace.ahead()
        if (waiting.size > ahead / 2) 0 else (concurrency + ahead - running - waiting.size).coerceIn(0, CLAIM_BATCH)
    }

    /** Whether jobs come and go so fast that it pays to let some come together before they are claimed. */
    fun isFlowing(): Boolean = synchronized(this) { pace.isFast }

    /** Suspends until at least one may be claimed. */
    suspend fun awaitRoom(): Int {
        while (true) {
            val room = synchronized(this) { room().also { isRoomAwaited = it == 0 } }
            if (room > 0) return room
            roomMade.receive()
        }
    }

    /** Takes [jobs] in, whose claim took so long, and returns those to start now. */
    fun take(jobs: List<ClaimedJob>, claimTook: Duration): List<ClaimedJob> = synchronized(this) {
        pace.claimed(claimTook)
        val now = time.markNow()
        jobs.mapTo(waiting) { Waiting(it, now) }
        val started = List((concurrency - running).coerceIn(0, waiting.size)) { waiting.removeFirst().claim }
        running += started.size
        if (waiting.isNotEmpty()) madeToWait.trySend(Unit)
        started
    }

    /** A job has ended after [took], or without having run: its place goes to the next that waits, or becomes free. */
    fun next(took: Duration?): ClaimedJob? {
        val isNews: Boolean
        val next = synchronized(this) {
            took?.let(pace::done)
            val next = waiting.removeFirstOrNull()?.claim
            if (next == null) running--
            isNews = isRoomAwaited && room() > 0
            if (isNews) isRoomAwaited = false
            next
        }
        if (isNews) roomMade.trySend(Unit)
        return next
    }

    /**
     * Suspends until what waits has waited for too long, because the jobs before it have become slow, and takes it out:
     * whoever has a place free may have it. A [prefetch] that somebody has set is kept, however long it waits.
     */
    suspend fun awaitOverdue(): List<ClaimedJob> {
        while (true) {
            val patience = synchronized(this) { waiting.firstOrNull()?.let { PATIENCE - it.since.elapsedNow() } }
            when {
                patience == null || prefetch != null -> madeToWait.receive()
                patience.isPositive() -> delay(patience)
                else -> return clear()
            }
        }
    }

    /** Takes out all that were claimed and not started. */
    fun clear(): List<ClaimedJob> = synchronized(this) { waiting.map { it.claim }.also { waiting.clear() } }

    private companion object {
        /** Twenty times as long as what is claimed ahead is meant to wait. */
        val PATIENCE = 1.seconds
    }
}
