package kittiwake.postgres

import java.util.concurrent.ConcurrentLinkedDeque
import java.util.concurrent.TimeUnit
import java.util.concurrent.locks.ReentrantLock
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeMark
import kotlin.time.TimeSource

/** How a queue is searched: by whoever does so at the same time, each from where an earlier search had got to. */
internal class Searches(private val quick: Duration = QUICK, private val patience: Duration = PATIENCE) {
    private val idle = ConcurrentLinkedDeque<ClaimBound>()
    private val turn = ReentrantLock()

    @Volatile
    private var nextSweep: TimeMark = TimeSource.Monotonic.markNow()

    /** Whether the last search found as many tickets as it was to. */
    @Volatile
    private var areFull = false

    /**
     * Turns in a row that took long, as they do far from the database, or where many workers wait for each other: then
     * rivals are faster. The next sweep tries again.
     */
    @Volatile
    private var slowTurns = 0

    /** Whether it pays to search in turn. */
    val mayTakeTurns: Boolean get() = areFull && slowTurns < SLOW_TURNS

    /** Ends in [Search.end], or is lost. */
    fun begin(): Search {
        val bound = idle.pollFirst() ?: ClaimBound()
        val isSweep = nextSweep.hasPassedNow()
        return Search(bound, if (isSweep) bound.everything() else bound.spans(), isSweep)
    }

    /**
     * Searches alone in this worker, and so from where the last one has got to, even if that has failed. Only a courtesy:
     * who has waited for too long no longer waits for the one that does not come back.
     */
    fun <T> inTurn(block: (Search) -> T): T {
        val isAlone = turn.tryLock(patience.inWholeMilliseconds, TimeUnit.MILLISECONDS)
        val search = begin()
        try {
            return block(search)
        } finally {
            if (!search.isSweep) slowTurns = if (search.started.elapsedNow() < quick) 0 else slowTurns + 1
            search.end()
            if (isAlone) turn.unlock()
        }
    }

    /** One search through [spans], which are everywhere when it [isSweep]. */
    inner class Search(private val bound: ClaimBound, val spans: List<Span>, val isSweep: Boolean) {
        val started: TimeMark = TimeSource.Monotonic.markNow()

        /** It has found [taken], in the order of the index: all there was, unless it is [full]. */
        fun found(snapshot: Snapshot, taken: List<Place>, full: Boolean) {
            bound.advance(snapshot, taken, full)
            areFull = full
            if (!isSweep) return
            slowTurns = 0
            nextSweep = TimeSource.Monotonic.markNow() + maxOf(SWEEP_EVERY, started.elapsedNow() * SWEEP_SHARE)
        }

        fun end() {
            idle.addFirst(bound)
        }
    }

    private companion object {
        /** Several times what it takes to take the tickets of a claim near the database. */
        val QUICK: Duration = 10.milliseconds

        /** One may be slow for any reason. */
        const val SLOW_TURNS = 3

        /** Longer than any turn that is worth waiting for. */
        val PATIENCE: Duration = 20.milliseconds

        val SWEEP_EVERY: Duration = 2.seconds

        /** A sweep walks over dead entries. Its share of the time stays below a twentieth. */
        const val SWEEP_SHARE = 20
    }
}
