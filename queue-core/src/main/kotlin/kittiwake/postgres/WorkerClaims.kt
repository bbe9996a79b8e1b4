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
    /** One at a time uses it. */
    private class Search {
        val bound = ClaimBound()
        private var nextSweep: TimeMark = TimeSource.Monotonic.markNow()

        /** Where to look now, and whether that is everywhere. */
        fun spans(): Pair<List<Span>, Boolean> =
            if (nextSweep.hasPassedNow()) bound.everything() to true else bound.spans() to false

        fun swept(took: Duration) {
            nextSweep = TimeSource.Monotonic.markNow() + maxOf(SWEEP_EVERY, took * SWEEP_SHARE)
        }
    }

    private class Look(val queue: QueueName, val search: Search, val spans: List<Span>, val isSweep: Boolean)

    private val lookForJobs = LookForJobs(schema)
    private val claimJobs = ClaimJobs(schema, retention)

    /** For each queue those that nobody uses now: as many as there ever were claims of it at once. */
    private val searches = ConcurrentHashMap<QueueName, ConcurrentLinkedDeque<Search>>()
    val open = OpenLeases()
    private val doubtful = ConcurrentHashMap<Long, TimeMark>()

    /**
     * Claims, and remembers how far it looked. Now and then it looks everywhere, for tickets that a rival had locked
     * and did not take. Two claims of a queue at once are rivals, too.
     */
    fun claim(connection: Connection, queue: QueueName, limit: Int): List<ClaimedJob> {
        val lease = Random.nextLong(1, Long.MAX_VALUE)
        val atMost = minOf(limit, LARGEST_LEASE)
        val search = begin(queue)
        try {
            val (spans, isSweep) = search.spans()
            val started = TimeSource.Monotonic.markNow()
            val result =
                try {
                    claimJobs.execute(connection, worker, queue, lease, spans, atMost)
                } catch (e: Exception) {
                    doubtful[lease] = TimeSource.Monotonic.markNow()
                    throw e
                }
            search.bound.advance(result.snapshot, result.places, full = result.places.size >= atMost)
            // All that it took was cancelled: nobody will end what is in this lease.
            if (result.jobs.isEmpty() && result.places.isNotEmpty()) doubtful[lease] = TimeSource.Monotonic.markNow()
            if (isSweep) search.swept(started.elapsedNow())
            open.open(lease, result.jobs)
            return result.jobs
        } finally {
            end(queue, search)
        }
    }

    private fun begin(queue: QueueName): Search =
        searches.computeIfAbsent(queue) { ConcurrentLinkedDeque() }.pollFirst() ?: Search()

    /** The one that was used last has got furthest. */
    private fun end(queue: QueueName, search: Search) {
        searches.getValue(queue).addFirst(search)
    }

    /**
     * The queues in which a claim may find something, or which have jobs that are due [within] so long. It looks where
     * claims would, and where nothing is, that is remembered as after a claim that found nothing.
     */
    fun look(connection: Connection, queues: Set<QueueName>, within: Duration): Set<QueueName> {
        val looks = queues.map { queue ->
            val search = begin(queue)
            val (spans, isSweep) = search.spans()
            Look(queue, search, spans, isSweep)
        }
        try {
            val started = TimeSource.Monotonic.markNow()
            val found = lookForJobs.execute(connection, looks.associate { it.queue to it.spans }, within)
            for (look in looks) {
                if (look.queue in found.ready) continue // The claim that follows may have to sweep for it.
                look.search.bound.advance(found.snapshot, emptyList(), full = false)
                if (look.isSweep) look.search.swept(started.elapsedNow())
            }
            return found.ready + found.due
        } finally {
            looks.forEach { end(it.queue, it.search) }
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
