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
 * room for, and what one under way asked for is not room for another. How many may wait is the [prefetch], or without
 * one what the [Pace] of late makes worth while.
 *
 * Free places are opened one after the other, each by the one before it as soon as that has a thread: so there are no
 * more of them than there is work for. Jobs that end at once need a few places, however many are free.
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
    private var asked = 0

    /** Whether a place is open for which nobody has come yet. */
    private var isOpening = false

    private val free: Int get() = concurrency - running

    /** Those that wait for a place, and not only for somebody to come for it. */
    private val inLine: Int get() = (waiting.size - free).coerceAtLeast(0)
    private val madeToWait = Channel<Unit>(Channel.CONFLATED)

    /** Not before half of what may wait is used up, so that claims stay large, or a place is free. */
    val first = Claimant { ahead ->
        inLine + asked <= ahead / 2 || waiting.size + asked < free
    }

    /** When so little waits that it may be used up before the claim of the [first] is back. */
    val second = Claimant { ahead -> inLine <= ahead / 3 }

    /** Somebody who claims for these places, one claim after the other, whenever it [isTime]. */
    inner class Claimant(private val isTime: (ahead: Int) -> Boolean) {
        private var isWaiting = false
        private val roomMade = Channel<Unit>(Channel.CONFLATED)

        val hasRoom: Boolean get() = synchronized(this@Slots) { room() > 0 }

        /** How many a claim may ask for now, or zero. It ends in [take], or in [giveUp]. */
        fun ask(): Int = synchronized(this@Slots) { room().also { asked += it } }

        /** Suspends until a claim may ask for some. */
        suspend fun awaitRoom() {
            while (synchronized(this@Slots) { (room() == 0).also { isWaiting = it } }) roomMade.receive()
        }

        /** Whether it is to be [told] of the last change, under the lock. */
        fun isConcerned(): Boolean = (isWaiting && room() > 0).also { if (it) isWaiting = false }

        fun told() {
            roomMade.trySend(Unit)
        }

        private fun room(): Int {
            val ahead = prefetch ?: pace.ahead()
            if (!isTime(ahead)) return 0
            return (free + ahead - waiting.size - asked).coerceIn(0, CLAIM_BATCH)
        }
    }

    /** A claim that asked for so many has failed. */
    fun giveUp(asked: Int): Unit = change { this.asked -= asked }

    /** Whether jobs come and go so fast that it pays to let some come together before they are claimed. */
    fun isFlowing(): Boolean = synchronized(this) { pace.isFast }

    /** Takes in the [jobs] of a claim that [asked] for so many and took so long. True if a place is to be opened. */
    fun take(jobs: List<ClaimedJob>, asked: Int, claimTook: Duration): Boolean = change {
        this.asked -= asked
        pace.claimed(claimTook)
        val now = time.markNow()
        jobs.mapTo(waiting) { Waiting(it, now) }
        if (inLine > 0) madeToWait.trySend(Unit)
        mustOpen()
    }

    /** Whether one more may come that nobody has asked for. */
    val hasRoomForOne: Boolean get() = synchronized(this) { mayAdmit() }

    /**
     * Takes in a job that nobody has asked for, if there is room. What a claim under way asks for does not count: mostly it
     * brings less, and if it does not, what waits for too long is taken out, unless somebody has set how many may wait.
     */
    fun admit(job: ClaimedJob): Admission = change {
        if (!mayAdmit()) return@change Admission.NO_ROOM
        waiting += Waiting(job, time.markNow())
        if (inLine > 0) madeToWait.trySend(Unit)
        if (mustOpen()) Admission.OPENS else Admission.WAITS
    }

    private fun mayAdmit(): Boolean {
        val coming = if (prefetch == null) 0 else asked
        return free + (prefetch ?: pace.ahead()) - waiting.size - coming > 0
    }

    /** Somebody has come for the place that was opened: its first job, if one is left. If more wait, [openNext] is called. */
    fun enter(openNext: () -> Unit): ClaimedJob? {
        var opens = false
        val job =
            change {
                isOpening = false
                waiting.removeFirstOrNull()?.claim.also {
                    if (it != null) running++
                    opens = mustOpen()
                }
            }
        if (opens) openNext()
        return job
    }

    private fun mustOpen(): Boolean {
        val mustOpen = !isOpening && free > 0 && waiting.isNotEmpty()
        if (mustOpen) isOpening = true
        return mustOpen
    }

    /** A job has ended after [took], or without having run: its place goes to the next that waits, or becomes free. */
    fun next(took: Duration?): ClaimedJob? = change {
        took?.let(pace::done)
        waiting.removeFirstOrNull()?.claim.also { if (it == null) running-- }
    }

    /**
     * Suspends until what waits for a place has waited for too long, because the jobs before it have become slow, and
     * takes it out: whoever has a place free may have it. A [prefetch] that somebody has set is kept, however long it
     * waits.
     */
    suspend fun awaitOverdue(): List<ClaimedJob> {
        while (true) {
            val patience = synchronized(this) { waiting.getOrNull(free)?.let { PATIENCE - it.since.elapsedNow() } }
            when {
                patience == null || prefetch != null -> madeToWait.receive()
                patience.isPositive() -> delay(patience)
                else -> return synchronized(this) { List(inLine) { waiting.removeLast().claim } }
            }
        }
    }

    /** Takes out all that were claimed and not started. */
    fun clear(): List<ClaimedJob> = synchronized(this) { waiting.map { it.claim }.also { waiting.clear() } }

    /** Whoever waits for room is told when a change has made some. */
    private inline fun <T> change(what: () -> T): T {
        val concernsFirst: Boolean
        val concernsSecond: Boolean
        val result =
            synchronized(this) {
                what().also {
                    concernsFirst = first.isConcerned()
                    concernsSecond = second.isConcerned()
                }
            }
        if (concernsFirst) first.told()
        if (concernsSecond) second.told()
        return result
    }

    /** What becomes of a job that comes unasked: a place is to be opened for it, it waits for one, or neither. */
    enum class Admission { OPENS, WAITS, NO_ROOM }

    private companion object {
        /** Twenty times as long as what is claimed ahead is meant to wait. */
        val PATIENCE = 1.seconds
    }
}
