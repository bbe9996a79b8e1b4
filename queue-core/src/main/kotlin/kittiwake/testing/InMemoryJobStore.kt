package kittiwake.testing

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.AttemptFailure
import kittiwake.job.ClaimedJob
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.store.Cancellation
import kittiwake.store.Completion
import kittiwake.store.Inserted
import kittiwake.store.JobStore
import kittiwake.store.LocalBells
import kittiwake.store.Promotion
import kittiwake.store.Pulse
import kittiwake.store.Rescued
import kittiwake.store.Wakeups
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.time.Duration
import kotlin.time.Instant
import kotlin.time.TimeSource

/**
 * A store in memory, for tests of handlers and of the engine on virtual time: give it the scheduler's time source, and
 * an hour's delay passes at once. It keeps the same contract as the PostgreSQL store, except that nothing outlives the
 * process and there are no transactions. A job that is to blame for [crashLimit] crashes is discarded.
 */
@KittiwakeSpi
public class InMemoryJobStore(
    timeSource: TimeSource.WithComparableMarks = TimeSource.Monotonic,
    private val crashLimit: Int? = 3,
) : JobStore {
    private val started = timeSource.markNow()
    private val jobs = LinkedHashMap<JobId, StoredJob>()
    private val workers = mutableMapOf<WorkerId, StoredWorker>()
    private val turns = mutableMapOf<String, Instant>()
    private val bells = LocalBells()
    private val offers = StoredOffers(bells)
    private var lastId = 0L
    private var lastLease = 0L
    private var lastTurn = 0L

    override val engine: CoroutineContext get() = EmptyCoroutineContext
    override val pulse: CoroutineContext get() = EmptyCoroutineContext

    private val now: Instant get() = EPOCH + started.elapsedNow()

    override suspend fun insert(jobs: List<NewJob>): List<Inserted> {
        val inserted = inOneTurn { jobs.map(::insert) }
        val lease = inserted.singleOrNull()?.let { handOver(it) }
        if (lease == null) jobs.mapTo(mutableSetOf()) { it.queue }.forEach(bells::ring) else offers.tell(lease)
        return if (lease == null) inserted else inserted.map { Inserted(it.id, it.isNew, isHandedOver = true) }
    }

    /** The lease that it is in then; null when nobody has offered one. */
    private fun handOver(inserted: Inserted): Long? = synchronized(this) {
        val job =
            jobs.getValue(inserted.id).takeIf { inserted.isNew && it.new.mayBeHandedOver && it.state == JobState.Ready }
                ?: return null
        val (lease, worker) = offers.take(job.new.queue) { workers[it]?.isAlive == true } ?: return null
        job.claimedBy(worker, lease, now)
        lease
    }

    override suspend fun takeUp(worker: WorkerId, queue: QueueName, lease: Long): ClaimedJob? = synchronized(this) {
        if (!offers.takeUp(lease) || workers[worker]?.isAlive != true) return null
        jobs.values.find { it.lease == lease && it.isRunningAt(worker) }?.claim(worker, lease)
    }

    private fun insert(new: NewJob): Inserted {
        val twin = new.uniqueKey?.let { jobs.values.find { it.state !is JobState.Ended && it.isSameKeyAs(new) } }
        if (twin != null) return Inserted(twin.id, isNew = false)
        val job = StoredJob(JobId(++lastId), new, now)
        jobs[job.id] = job
        job.waits(new.runAt ?: new.delay?.let { now + it }, attempts = 0)
        return Inserted(job.id, isNew = true)
    }

    override suspend fun join(worker: WorkerId, name: String, queues: Set<QueueName>, lease: Duration): Unit =
        synchronized(this) { workers.getOrPut(worker) { StoredWorker(now, lease) }.seenAt = now }

    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> = synchronized(this) {
        if (workers[worker]?.isAlive != true) return emptyList()
        val lease = ++lastLease
        jobs.values
            .filter { it.new.queue == queue && it.state == JobState.Ready }
            .sortedWith(StoredJob.MOST_URGENT_FIRST)
            .take(limit)
            .map { it.claimedBy(worker, lease, now) }
    }

    override suspend fun returnHandedOver(worker: WorkerId) {
        val given = inOneTurn {
            val leases = offers.close(worker)
            jobs.values.filter { it.lease in leases }.onEach { it.putBack(null, it.attempts - 1, AT_THE_HEAD) }
        }
        given.mapTo(mutableSetOf()) { it.new.queue }.forEach(bells::ring)
    }

    override suspend fun announce(claim: ClaimedJob): Boolean = synchronized(this) {
        val job = jobs[claim.id]?.takeIf { it.isHeldBy(claim) } ?: return false
        workers[claim.worker]?.suspect = job.id to claim.lease
        true
    }

    override suspend fun promote(queue: QueueName, limit: Int): Promotion = synchronized(this) {
        val (due, later) =
            jobs.values
                .filter { it.new.queue == queue && it.state is JobState.Scheduled }
                .sortedBy { it.dueAt }
                .partition { it.dueAt <= now }
        val nextDueIn = later.firstOrNull()?.let { it.dueAt - now }
        val moved = inOneTurn { due.take(limit).onEach { it.waits(null, it.attempts) } }
        Promotion(moved.size, nextDueIn)
    }

    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
        fenced(worker, jobs.filterNot { it is Completion.Settled }) { completion ->
            when (completion) {
                is Completion.Succeeded -> {
                    end(Ending.COMPLETED, now)
                    result = completion.result
                }
                is Completion.Discarded -> {
                    end(Ending.DISCARDED, now)
                    failures += AttemptFailure(attempts, now, completion.error)
                }
                is Completion.Settled -> error("Filtered out above")
            }
        }

    override suspend fun putBack(worker: WorkerId, jobs: List<Completion.Return>): Set<JobId> =
        inOneTurn { returned(worker, jobs) }.also { jobs.mapTo(mutableSetOf()) { it.claim.queue }.forEach(bells::ring) }

    private fun returned(worker: WorkerId, jobs: List<Completion.Return>): Set<JobId> =
        fenced(worker, jobs) { completion ->
            when (completion) {
                is Completion.Failed -> {
                    failures += AttemptFailure(attempts, now, completion.error)
                    waits(now + completion.delay, attempts)
                }
                is Completion.Snoozed -> waits(now + completion.delay, attempts - 1)
                is Completion.Released -> putBack(null, attempts - 1, AT_THE_HEAD)
            }
        }

    private fun <C : Completion> fenced(
        worker: WorkerId,
        completions: List<C>,
        write: StoredJob.(C) -> Unit,
    ): Set<JobId> = synchronized(this) {
        val notOurs = mutableSetOf<JobId>()
        for (completion in completions) {
            val job = jobs[completion.claim.id]
            val trace = worker to completion::class
            if (job != null && job.isHeldBy(completion.claim) && completion.claim.worker == worker) {
                job.write(completion)
                if (completion.leavesTrace) job.traces[completion.claim.attempt] = trace
            } else if (job?.traces?.get(completion.claim.attempt) != trace) {
                notOurs += completion.claim.id
            }
        }
        notOurs
    }

    override suspend fun completedAnyway(worker: WorkerId, claims: List<ClaimedJob>): Set<JobId> = synchronized(this) {
        val completed = worker to Completion.Succeeded::class
        claims.filter { jobs[it.id]?.traces?.get(it.attempt) == completed }.mapTo(mutableSetOf()) { it.id }
    }

    private val Completion.leavesTrace: Boolean get() = this is Completion.End || this is Completion.Failed

    override suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse = synchronized(this) {
        val stored = workers[worker]?.takeIf { it.isAlive }
        if (stored == null) return Pulse(alive = false, stopRequested = false, cancelled = emptySet())
        stored.seenAt = now
        val cancelled = running.filterTo(mutableSetOf()) { jobs[it]?.isEnded(Ending.CANCELLED) == true }
        Pulse(alive = true, stored.isStopRequested, cancelled)
    }

    override suspend fun leave(worker: WorkerId): Unit = synchronized(this) {
        workers[worker]?.isAlive = false
        jobs.values.filter { it.isRunningAt(worker) }.forEach { it.putBack(null, it.attempts - 1, AT_THE_HEAD) }
    }

    override suspend fun takeTurn(task: String, every: Duration): Boolean =
        synchronized(this) { (turns[task]?.let { it <= now } ?: true).also { if (it) turns[task] = now + every } }

    override suspend fun rescue(silentFor: Duration?, limit: Int, by: WorkerId?): List<Rescued> {
        val rescued = inOneTurn {
            for ((id, worker) in workers.silent(now, silentFor, by)) {
                worker.giveUp(aboard = jobs.values.filter { it.isRunningAt(id) })
            }
            val lost = jobs.values.filter { job -> job.runner?.let { workers[it]?.isAlive } == false }
            val leases = lost.mapNotNull { it.lease }.distinct().take(limit)
            lost.filter { it.lease in leases }.map(::rescue)
        }
        rescued.mapTo(mutableSetOf()) { it.queue }.forEach(bells::ring)
        return rescued
    }

    private fun rescue(job: StoredJob): Rescued {
        val isBlamed = job.id in workers.getValue(checkNotNull(job.runner)).toBlame
        return job.rescue(isBlamed, crashLimit, now, lastTurn)
    }

    override suspend fun prune(retentions: Set<Retention>): Int = synchronized(this) {
        val before = jobs.size
        jobs.values.removeIf { it.isForgotten(now) }
        before - jobs.size
    }

    override suspend fun find(id: JobId): JobSnapshot? = synchronized(this) { jobs[id]?.snapshot() }

    override suspend fun cancel(id: JobId): Cancellation = synchronized(this) {
        val job = jobs[id] ?: return Cancellation.NotFound
        (job.state as? JobState.Ended)?.let { return Cancellation.AlreadyEnded(it.ending, it.at) }
        job.end(Ending.CANCELLED, now)
        Cancellation.Cancelled
    }

    override suspend fun stop(worker: WorkerId): Boolean =
        synchronized(this) { workers[worker]?.takeIf { it.isAlive }?.also { it.isStopRequested = true } != null }

    override fun wakeups(worker: WorkerId, queues: Set<QueueName>): Wakeups = offers.wakeups(worker)

    /** What becomes ready by one verb waits in the order of its enqueue, behind what was ready before. */
    private fun <T> inOneTurn(verb: () -> T): T = synchronized(this) {
        lastTurn++
        verb()
    }

    private fun StoredJob.waits(until: Instant?, attempts: Int) {
        putBack(until?.takeIf { it > now }, attempts, lastTurn)
    }

    private companion object {
        /** Before what has not been claimed: whoever gives back has not begun with it. */
        const val AT_THE_HEAD = 0L

        /** Any instant will do; this one is far from zero. */
        val EPOCH = Instant.parse("2030-01-01T00:00:00Z")
    }
}
