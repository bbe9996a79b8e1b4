package kittiwake.postgres

import java.util.TreeMap

/** A stretch of the `ready` index, both ends exclusive: after (lane, rank, job), before (lane, rank). */
internal class Span(
    val afterLane: Int,
    val afterRank: Long,
    val afterJob: Long,
    val untilLane: Int,
    val untilRank: Long,
) {
    operator fun contains(place: Place): Boolean =
        compareValuesBy(place, Place(afterLane, afterRank, afterJob), Place::lane, Place::rank, Place::job) > 0 &&
            compareValuesBy(place, Place(untilLane, untilRank, 0), Place::lane, Place::rank) < 0

    override fun toString(): String = "($afterLane, $afterRank, $afterJob)..($untilLane, $untilRank)"
}

/** Where a ticket lies in the `ready` index. */
internal data class Place(val lane: Int, val rank: Long, val job: Long) : Comparable<Place> {
    override fun compareTo(other: Place): Int {
        if (lane != other.lane) return lane.compareTo(other.lane)
        return if (rank != other.rank) rank.compareTo(other.rank) else job.compareTo(other.job)
    }
}

/** What a statement could see: every transaction before [xmax] that is not among [running]. */
internal class Snapshot(val xmax: Long, val running: List<Long>) {
    companion object {
        /** From the text form of `pg_current_snapshot()`: `xmin:xmax:running,running`. */
        fun parse(text: String): Snapshot {
            val (_, xmax, running) = text.split(':', limit = 3)
            return Snapshot(xmax.toLong(), running.split(',').filter(String::isNotEmpty).map(String::toLong))
        }
    }
}

/**
 * How far one claimer has got in one queue: it says where tickets may lie that it has not seen, so that claims never
 * walk again over the dead entries of finished jobs, however long an old snapshot keeps them.
 *
 * The bound is exact. Plain tickets are ordered by the transaction that inserted them, so after looking at a lane to
 * its end under a snapshot, what can still appear in it are tickets of transactions that were running then, which are
 * looked for by equality, and of later ones. Tickets with an expected time (negative ranks) may appear anywhere: that
 * part of a lane is always looked at from its start. Lanes that nobody knows of lie between the known ones, and each
 * lane's last span reaches to the next lane.
 *
 * What it cannot know of are tickets that a rival had locked and then did not take, or whose taking was lost with the
 * server. They are found by a sweep: [everything]. Not thread-safe: one claimer, one bound.
 */
internal class ClaimBound {
    private class Lane(val afterRank: Long, val afterJob: Long, val late: List<Long>)

    private val lanes = TreeMap<Int, Lane>()

    /** Where to look next, in the order of the index. */
    fun spans(): List<Span> {
        val spans = mutableListOf<Span>()
        val known = lanes.entries.toList()
        known.forEachIndexed { i, (lane, seen) ->
            val next = known.getOrNull(i + 1)?.key
            spans += Span(if (i == 0) Short.MIN_VALUE.toInt() else lane, Long.MIN_VALUE, Long.MIN_VALUE, lane, 0)
            seen.late.runs().forEach { (first, last) -> spans += Span(lane, first - 1, Long.MAX_VALUE, lane, last + 1) }
            val untilRank = if (next == null) Long.MAX_VALUE else Long.MIN_VALUE
            spans += Span(lane, seen.afterRank, seen.afterJob, next ?: Short.MAX_VALUE.toInt(), untilRank)
        }
        return spans.ifEmpty { everything() }
    }

    /** The whole queue: the first look, and every sweep. */
    fun everything(): List<Span> =
        listOf(Span(Short.MIN_VALUE.toInt(), Long.MIN_VALUE, Long.MIN_VALUE, Short.MAX_VALUE.toInt(), Long.MAX_VALUE))

    /**
     * Takes in what a look under [snapshot] has found, in index order: up to the last of [claimed] when the claim was
     * [full], even if rivals got all of it, else all there was.
     */
    fun advance(snapshot: Snapshot, claimed: List<Place>, full: Boolean) {
        if (full && claimed.isEmpty()) return
        if (lanes.size > MAX_LANES) lanes.clear()
        for (place in claimed) lanes.getOrPut(place.lane) { UNSEEN }
        val last = if (full) claimed.lastOrNull() else null
        for (entry in lanes) {
            if (last == null || entry.key < last.lane) {
                entry.setValue(seenAll(snapshot))
            } else if (entry.key == last.lane && last.rank >= 0) {
                entry.setValue(seenUpTo(last, entry.value, snapshot))
            }
        }
    }

    private fun seenAll(snapshot: Snapshot) = Lane(snapshot.xmax - 1, Long.MAX_VALUE, snapshot.running)

    private fun seenUpTo(last: Place, before: Lane, snapshot: Snapshot): Lane {
        // A ticket from the future was restored from another cluster, whose transactions were counted further than
        // ours.
        if (last.rank >= snapshot.xmax) return seenAll(snapshot)
        val isFurther = last.rank > before.afterRank || (last.rank == before.afterRank && last.job > before.afterJob)
        val rank = if (isFurther) last.rank else before.afterRank
        val notLookedAt = before.late.filter { it >= last.rank }
        val late = (snapshot.running + if (isFurther) emptyList() else notLookedAt).filter { it <= rank }
        return Lane(rank, if (isFurther) last.job else before.afterJob, late.distinct().sorted())
    }

    private companion object {
        /** Before the first plain ticket. */
        val UNSEEN = Lane(-1, Long.MAX_VALUE, emptyList())

        /** Each known lane is a look of its own in every claim; beyond this it is better to learn them anew. */
        const val MAX_LANES = 100
    }
}

/** Neighbours among sorted numbers as one stretch: nothing lies between them. */
private fun List<Long>.runs(): List<Pair<Long, Long>> = sorted().fold(mutableListOf<Pair<Long, Long>>()) { runs, x ->
    val last = runs.lastOrNull()
    if (last != null && x <= last.second + 1) runs[runs.size - 1] = last.first to x else runs += x to x
    runs
}
