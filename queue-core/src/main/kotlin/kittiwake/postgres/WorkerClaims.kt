package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.postgres.statement.ClaimJobs
import kittiwake.postgres.statement.GiveBack
import kittiwake.postgres.statement.LookForJobs
import java.sql.Connection
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ConcurrentLinkedDeque
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeMark
import kotlin.time.TimeSource

/**
 * What one worker, in one life, knows of its claims: how far it has looked in each queue, and what is left of each
 * lease.
 */
@OptIn(KittiwakeSpi::class)
internal class WorkerClaims(schema: Schema, retention: Retention, private val worker: WorkerId) {
    /** How a queue is searched: by whoever does so at the same time, each from where an earlier search had got to. */
    private class Searches {
        private val idle = ConcurrentLinkedDeque<ClaimBound>()

        @Volatile
        private var nextSweep: TimeMark = TimeSource.Monotonic.markNow()

        fun begin(): Search {
            val bound = idle.pollFirst() ?: ClaimBound()
            val isSweep = nextSweep.hasPassedNow()
            return Search(this, bound, if (isSweep) bound.everything() else bound.spans(), isSweep)
        }

        fun end(search: Search) {
            idle.addFirst(search.bound)
        }

        fun swept(took: Duration) {
            nextSweep = TimeSource.Monotonic.markNow() + maxOf(SWEEP_EVERY, took * SWEEP_SHARE)
        }
    }

    /** One search of a queue through [spans], which are everywhere when it [isSweep]. */
    private class Search(val of: Searches, val bound: ClaimBound, val spans: List<Span>, val isSweep: Boolean) {
        private val started: TimeMark = TimeSource.Monotonic.markNow()

        /** It has found [taken], in the order of the index: all there was, unless it is [full]. */
        fun found(snapshot: Snapshot, taken: List<Place>, full: Boolean) {
            bound.advance(snapshot, taken, full)
            if (isSweep) of.swept(started.elapsedNow())
        }
    }

    private val lookForJobs = LookForJobs(schema)
    private val claimJobs = ClaimJobs(schema, retention)
    private val searches = ConcurrentHashMap<QueueName, Searches>()
    val open = OpenLeases()
    private val doubtful = ConcurrentHashMap<Long, TimeMark>()

    /**
     * Claims, and remembers how far it looked. Now and then it looks everywhere, for tickets that a rival had locked
     * and did not take. Two claims of a queue at once are rivals, too; after one that fails, the next looks everywhere.
     */
    fun claim(connection: Connection, queue: QueueName, limit: Int): List<ClaimedJob> {
        val lease = Random.nextLong(1, Long.MAX_VALUE)
        val atMost = minOf(limit, LARGEST_LEASE)
        val search = search(queue)
        val result =
            try {
                claimJobs.execute(connection, worker, queue, lease, search.spans, atMost)
            } catch (e: Exception) {
                doubtful[lease] = TimeSource.Monotonic.markNow()
                searches.remove(queue)
                throw e
            }
        search.found(result.snapshot, result.places, full = result.places.size >= atMost)
        search.of.end(search)
        // All that it took was cancelled: nobody will end what is in this lease.
        if (result.jobs.isEmpty() && result.places.isNotEmpty()) doubtful[lease] = TimeSource.Monotonic.markNow()
        open.open(lease, result.jobs)
        return result.jobs
    }

    private fun search(queue: QueueName): Search = searches.computeIfAbsent(queue) { Searches() }.begin()

    /**
     * The queues in which a claim may find something, or which have jobs that are due [within] so long. It looks where
     * claims would, and where nothing is, that is remembered as after a claim that found nothing.
     */
    fun look(connection: Connection, queues: Set<QueueName>, within: Duration): Set<QueueName> {
        val searches = queues.associateWith(::search)
        try {
            val found = lookForJobs.execute(connection, searches.mapValues { it.value.spans }, within)
            for ((queue, search) in searches) {
                // The claim that follows may have to sweep for it.
                if (queue !in found.ready) search.found(found.snapshot, emptyList(), full = false)
            }
            return found.ready + found.due
        } finally {
            searches.values.forEach { it.of.end(it) }
        }
    }

    /** Gives back what was claimed by statements whose answer was lost: nobody here runs it. */
    fun releaseDoubtful(connection: Connection, giveBack: GiveBack) {
        if (doubtful.isEmpty()) return
        giveBack.release(connection, worker, doubtful.keys.toList())
        doubtful.entries.removeIf { it.value.elapsedNow() > UNDER_WAY_AT_MOST }
    }

    private companion object {
        /** A lease is one row on one page of 8 kB, ten bytes a job. */
        const val LARGEST_LEASE = 700
        val SWEEP_EVERY = 2.seconds

        /** A sweep walks over dead entries. Its share of the time stays below a twentieth. */
        const val SWEEP_SHARE = 20

        /** Longer than the statement timeout: until then the server may still commit a claim that we gave up on. */
        val UNDER_WAY_AT_MOST: Duration = 30.seconds
    }
}
