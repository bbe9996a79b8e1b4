package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.postgres.statement.Claim
import kittiwake.postgres.statement.ClaimJobs
import kittiwake.postgres.statement.GiveBack
import kittiwake.postgres.statement.LookForJobs
import kittiwake.postgres.statement.ReadJobs
import kittiwake.postgres.statement.TakeTickets
import kittiwake.postgres.statement.TakeUp
import kittiwake.postgres.statement.Ticket
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.ConcurrentHashMap
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeMark
import kotlin.time.TimeSource

/**
 * What one worker, in one life, knows of its claims: how far it has looked in each queue, and what is left of each
 * lease. It tells [onMore] when a claim brings less than there was.
 */
@OptIn(KittiwakeSpi::class)
internal class WorkerClaims(
    schema: Schema,
    retention: Retention,
    private val worker: WorkerId,
    private val onMore: (QueueName) -> Unit = {},
) {
    private val lookForJobs = LookForJobs(schema)
    private val claimJobs = ClaimJobs(schema, retention)
    private val takeTickets = TakeTickets(schema)
    private val readJobs = ReadJobs(schema, retention)
    private val takeUp = TakeUp(schema, retention)
    private val searches = ConcurrentHashMap<QueueName, Searches>()
    val open = OpenLeases()
    val offers = Offers(schema, worker)
    private val doubtful = ConcurrentHashMap<Long, TimeMark>()

    /** What an enqueuer may put into one of these goes back, as long as this worker is there. */
    private val forsaken: MutableSet<Long> = ConcurrentHashMap.newKeySet()

    /**
     * Claims, and remembers how far it looked. Now and then it looks everywhere, for tickets that a rival had locked
     * and did not take. Two claims of a queue at once are rivals, too, unless they take turns; after one that fails, the
     * next looks everywhere.
     */
    fun claim(connection: Connection, queue: QueueName, limit: Int): List<ClaimedJob> {
        val claim = Claim(worker, queue, lease = Random.nextLong(1, Long.MAX_VALUE), minOf(limit, LARGEST_LEASE))
        val result =
            try {
                if (mayTakeTurns(claim)) claimInTurn(connection, claim) else claimAtOnce(connection, claim)
            } catch (e: Exception) {
                doubt(claim)
                throw e
            }
        // All that it took was cancelled, and nobody will end what is in this lease; or it was lost, and they lie there again.
        if (result.jobs.isEmpty() && result.places.isNotEmpty()) doubt(claim)
        open.open(claim.lease, result.jobs)
        return result.jobs
    }

    private fun doubt(claim: Claim) {
        doubt(claim.lease)
        searches.remove(claim.queue)
    }

    private fun doubt(lease: Long) {
        doubtful[lease] = TimeSource.Monotonic.markNow()
    }

    /** Takes up the job that was put into [lease]. Where it is not clear what is in there, nobody here runs it. */
    fun takeUp(connection: Connection, queue: QueueName, lease: Long): ClaimedJob? {
        if (!offers.takeUp(lease)) return null
        val job =
            try {
                takeUp.execute(connection, Claim(worker, queue, lease, limit = 1))
            } catch (e: Exception) {
                doubt(lease)
                throw e
            }
        if (job == null) doubt(lease) else open.open(lease, listOf(job))
        return job
    }

    /** While a queue is full, what two claims at once lose as rivals is more than what a statement more costs. */
    private fun mayTakeTurns(claim: Claim): Boolean = claim.limit >= MANY && searches(claim.queue).mayTakeTurns

    private fun claimAtOnce(connection: Connection, claim: Claim): ClaimJobs.Result {
        val search = searches(claim.queue).begin()
        val result = claimJobs.execute(connection, claim, search.spans)
        search.found(result.snapshot, result.places, full = result.places.size >= claim.limit)
        search.end()
        return result
    }

    /**
     * Tickets are taken by one claim at a time, and each goes on where the last one got to; jobs are read by both. Who
     * would have to wait for somebody else in the database is a rival this time.
     */
    private fun claimInTurn(connection: Connection, claim: Claim): ClaimJobs.Result {
        val taken =
            try {
                searches(claim.queue).inTurn { search ->
                    takeTickets.execute(connection, claim, search.spans, search.isSweep).also {
                        search.found(it.snapshot, it.tickets.map(Ticket::place), full = it.found >= claim.limit)
                    }
                }
            } catch (e: SQLException) {
                if (!e.isLockTimeout) throw e
                return claimAtOnce(connection, claim)
            }
        if (taken.tickets.size < taken.found) onMore(claim.queue)
        val jobs = if (taken.tickets.isEmpty()) emptyList() else readJobs.execute(connection, claim, taken.tickets)
        return ClaimJobs.Result(taken.snapshot, jobs, taken.tickets.map(Ticket::place))
    }

    /** Takes up nothing any more. Returns the leases of which somebody may have been told, and their queues. */
    fun forsakeOffers(): Map<Long, QueueName> = offers.close().also { forsaken += it.keys }

    private fun searches(queue: QueueName): Searches = searches.computeIfAbsent(queue) { Searches() }

    /**
     * The queues in which a claim may find something, or which have jobs that are due [within] so long. It looks where
     * claims would, and where nothing is, that is remembered as after a claim that found nothing.
     */
    fun look(connection: Connection, queues: Set<QueueName>, within: Duration): Set<QueueName> {
        val searches = queues.associateWith { searches(it).begin() }
        try {
            val found = lookForJobs.execute(connection, searches.mapValues { it.value.spans }, within)
            for ((queue, search) in searches) {
                // The claim that follows may have to sweep for it.
                if (queue !in found.ready) search.found(found.snapshot, emptyList(), full = false)
            }
            return found.ready + found.due
        } finally {
            searches.values.forEach { it.end() }
        }
    }

    /** Gives back what was claimed by statements whose answer was lost, or handed over too late: nobody here runs it. */
    fun releaseDoubtful(connection: Connection, giveBack: GiveBack) {
        if (doubtful.isEmpty() && forsaken.isEmpty()) return
        giveBack.release(connection, worker, doubtful.keys + forsaken)
        doubtful.entries.removeIf { it.value.elapsedNow() > UNDER_WAY_AT_MOST }
    }

    private companion object {
        /** A lease is one row on one page of 8 kB, ten bytes a job. */
        const val LARGEST_LEASE = 700

        /** Fewer than this are claimed in less time than a statement more takes. */
        const val MANY = 100

        /** Longer than the statement timeout: until then the server may still commit a claim that we gave up on. */
        val UNDER_WAY_AT_MOST: Duration = 30.seconds
    }
}
