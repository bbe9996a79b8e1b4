package kittiwake.worker.internal

import kotlin.time.ComparableTimeMark
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeSource

/**
 * How fast the jobs of one queue are done here of late, and so how many are worth claiming ahead: as many as were done
 * in the last stretch of 50 ms, or in this one. What is claimed ahead then waits for about a stretch, and half of it
 * lasts while a claim is under way.
 *
 * From an idle start this doubles with each claim, because no more is claimed ahead than has just been done; and it is
 * zero when nothing was done for two stretches. A job that takes longer than a stretch does not count: beside it the
 * wait for a claim is nothing, and what is claimed ahead of it would wait long. See decision 0030.
 *
 * Not thread-safe.
 */
internal class Pace(private val time: TimeSource.WithComparableMarks) {
    private var stretch = SHORTEST
    private var began: ComparableTimeMark = time.markNow()
    private var done = 0
    private var doneBefore = 0

    /** How many jobs are worth claiming ahead now. */
    fun ahead(): Int {
        turn()
        return maxOf(done, doneBefore).coerceAtMost(MOST)
    }

    /** Whether more jobs are done than there could be claims, were each claimed for itself. */
    val isFast: Boolean get() = ahead() >= FAST

    /** A job has ended that took so long. */
    fun done(took: Duration) {
        turn()
        if (took < stretch) done++
    }

    /** A claim took so long: where that is long, more must be at hand while the next one is under way. */
    fun claimed(took: Duration) {
        stretch = (took * CLAIMS_IN_A_STRETCH).coerceIn(SHORTEST, LONGEST)
    }

    private fun turn() {
        val passed = began.elapsedNow()
        if (passed < stretch) return
        doneBefore = if (passed < stretch * 2) done else 0
        done = 0
        began = time.markNow()
    }

    private companion object {
        val SHORTEST = 50.milliseconds
        val LONGEST = 500.milliseconds

        /** Half of what is ahead is left when the next claim begins: enough for one, and half a one to spare. */
        const val CLAIMS_IN_A_STRETCH = 3

        /** In a stretch: some 600 a second. */
        const val FAST = 32

        /** Four claims of the largest size. More gains nothing and holds memory. */
        const val MOST = 2_000
    }
}
