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

    /** Turns in a row that took long: far from the database they do, and rivals are faster. The next sweep tries again. */
    @Volatile
    private var slowTurns = 0

    /** Whether it pays to search in turn. A sweep is nobody's turn: it looks for what was passed over, too. */
    val mayTakeTurns: Boolean get() = areFull && slowTurns < SLOW_TURNS && !nextSweep.hasPassedNow()

    /** Ends in [Search.end], or is lost. */
    fun begin(): Search = begin(isSweep = nextSweep.hasPassedNow())

    private fun begin(isSweep: Boolean): Search {
        val bound = idle.pollFirst() ?: ClaimBound()
        return Search(bound, if (isSweep) bound.everything() else bound.spans(), isSweep)
    }

    /**
     * Searches alone in this worker, and so from where the last one has got to. Only a courtesy: who has waited for too
     * long no longer waits for the one that does not come back.
     */
    fun <T> inTurn(block: (Search) -> T): T {
        val isAlone = turn.tryLock(patience.inWholeMilliseconds, TimeUnit.MILLISECONDS)
        val begun = TimeSource.Monotonic.markNow()
        try {
            val search = begin(isSweep = false)
            return block(search).also { search.end() }
        } finally {
            slowTurns = if (begun.elapsedNow() < quick) 0 else slowTurns + 1
            if (isAlone) turn.unlock()
        }
    }

    /** One search through [spans], which are everywhere when it [isSweep]. */
    inner class Search(private val bound: ClaimBound, val spans: List<Span>, private val isSweep: Boolean) {
        private val started: TimeMark = TimeSource.Monotonic.markNow()

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
