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
import kittiwake.store.Promotion
import kittiwake.store.Pulse
import kittiwake.store.Rescued
import kittiwake.store.Wakeups
import kotlinx.coroutines.awaitCancellation
import kotlinx.serialization.json.Json
import java.util.concurrent.CopyOnWriteArraySet
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.time.Duration
import kotlin.time.Instant
import kotlin.time.TimeSource

/**
 * A store in memory, for tests of handlers and of the engine on virtual time: give it the scheduler's time source, and
 * an hour's delay passes at once. It keeps the same contract as the PostgreSQL store, except that nothing outlives the
 * process and there are no transactions.
 */
@KittiwakeSpi
public class InMemoryJobStore(timeSource: TimeSource.WithComparableMarks = TimeSource.Monotonic) : JobStore {
    private val started = timeSource.markNow()
    private val jobs = LinkedHashMap<JobId, StoredJob>()
    private val workers = mutableMapOf<WorkerId, StoredWorker>()
    private val turns = mutableMapOf<String, Instant>()
    private val bells = CopyOnWriteArraySet<(QueueName?) -> Unit>()
    private var lastId = 0L
    private var lastLease = 0L
    private var lastTurn = 0L

    override val engine: CoroutineContext get() = EmptyCoroutineContext
    override val pulse: CoroutineContext get() = EmptyCoroutineContext

    private val now: Instant get() = EPOCH + started.elapsedNow()

    override suspend fun insert(jobs: List<NewJob>): List<Inserted> {
        val inserted = synchronized(this) { jobs.map(::insert) }
        jobs.mapTo(mutableSetOf()) { it.queue }.forEach(::ring)
        return inserted
    }

    private fun insert(new: NewJob): Inserted {
        val twin = jobs.values.find { it.state !is JobState.Ended && it.new.uniqueKey != null && it.isSameKeyAs(new) }
        if (twin != null) return Inserted(twin.id, isNew = false)
        val job = StoredJob(JobId(++lastId), new, now)
        jobs[job.id] = job
        job.putBack(new.runAt ?: new.delay?.let { now + it }, attemptsMade = 0)
        return Inserted(job.id, isNew = true)
    }

    override suspend fun join(worker: WorkerId, name: String, queues: Set<QueueName>): Unit =
        synchronized(this) { workers[worker] = StoredWorker(now) }

    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> = synchronized(this) {
        if (workers[worker]?.isAlive != true) return emptyList()
        val lease = ++lastLease
        jobs.values
            .filter { it.new.queue == queue && it.state == JobState.Ready }
            .sortedWith(MOST_URGENT_FIRST)
            .take(limit)
            .map { it.claimedBy(worker, lease) }
    }

    override suspend fun promote(queue: QueueName, limit: Int): Promotion = synchronized(this) {
        val (due, later) =
            jobs.values
                .filter { it.new.queue == queue && it.state is JobState.Scheduled }
                .sortedBy { it.dueAt }
                .partition { it.dueAt <= now }
        val nextDueIn = later.firstOrNull()?.let { it.dueAt - now }
        val moved = due.take(limit).onEach { it.putBack(null, it.attempts) }
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
        fenced(worker, jobs) { completion ->
            when (completion) {
                is Completion.Failed -> {
                    failures += AttemptFailure(attempts, now, completion.error)
                    putBack(now + completion.delay, attempts)
                }
                is Completion.Snoozed -> putBack(now + completion.delay, attempts - 1)
                is Completion.Released -> putBack(null, attempts - 1)
            }
        }.also { jobs.mapTo(mutableSetOf()) { it.claim.queue }.forEach(::ring) }

    private fun <C : Completion> fenced(
        worker: WorkerId,
        completions: List<C>,
        write: StoredJob.(C) -> Unit,
    ): Set<JobId> = synchronized(this) {
        val notOurs = mutableSetOf<JobId>()
        for (completion in completions) {
            val job = jobs[completion.claim.id]
            if (job != null && job.lease == completion.claim.lease && job.isRunningAt(worker)) {
                job.write(completion)
                job.writtenUnder = completion.claim.lease
            } else if (job?.writtenUnder != completion.claim.lease) {
                notOurs += completion.claim.id
            }
        }
        notOurs
    }

    override suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse = synchronized(this) {
        val stored = workers[worker]?.takeIf { it.isAlive }
        if (stored == null) return Pulse(alive = false, stopRequested = false, cancelled = emptySet())
        stored.seenAt = now
        val cancelled = running.filterTo(mutableSetOf()) { jobs[it]?.isEnded(Ending.CANCELLED) == true }
        Pulse(alive = true, stored.isStopRequested, cancelled)
    }

    override suspend fun leave(worker: WorkerId): Unit = synchronized(this) {
        workers[worker]?.isAlive = false
        jobs.values.filter { it.isRunningAt(worker) }.forEach { it.putBack(null, it.attempts - 1) }
    }

    override suspend fun takeTurn(task: String, every: Duration): Boolean =
        synchronized(this) { (turns[task]?.let { it <= now } ?: true).also { if (it) turns[task] = now + every } }

    override suspend fun rescue(silentFor: Duration, limit: Int): List<Rescued> {
        val rescued =
            synchronized(this) {
                workers.values.filter { it.isAlive && it.seenAt + silentFor <= now }.forEach { it.isAlive = false }
                val lost = jobs.values.filter { job -> job.runner?.let { workers[it]?.isAlive } == false }
                val leases = lost.mapNotNull { it.lease }.distinct().take(limit)
                lost.filter { it.lease in leases }.map(::rescue)
            }
        rescued.mapTo(mutableSetOf()) { it.queue }.forEach(::ring)
        return rescued
    }

    private fun rescue(job: StoredJob): Rescued {
        val usedUp = job.attempts >= job.new.maxAttempts
        val attempt = job.attempts
        job.failures += AttemptFailure(attempt, now, "The worker was silent for too long")
        if (usedUp) job.end(Ending.DISCARDED, now) else job.putBack(null, attempt)
        return Rescued(job.id, job.new.name.value, job.new.queue, attempt, usedUp)
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

    override fun wakeups(queues: Set<QueueName>): Wakeups = object : Wakeups {
        override suspend fun listen(ring: (QueueName?) -> Unit) {
            bells += ring
            try {
                awaitCancellation()
            } finally {
                bells -= ring
            }
        }

        override suspend fun quiet(queue: QueueName) = Unit

        override suspend fun busy(queue: QueueName) = Unit
    }

    private fun ring(queue: QueueName) {
        bells.forEach { it(queue) }
    }

    private class StoredWorker(var seenAt: Instant) {
        var isAlive = true
        var isStopRequested = false
    }

    private inner class StoredJob(val id: JobId, val new: NewJob, val enqueuedAt: Instant) {
        var state: JobState = JobState.Ready
        var attempts = 0
        var lease: Long? = null
        var writtenUnder: Long? = null
        var turn = 0L
        var result: String? = null
        val failures = mutableListOf<AttemptFailure>()

        val dueAt get() = (state as JobState.Scheduled).runAt
        val runner get() = (state as? JobState.Running)?.worker

        fun isRunningAt(worker: WorkerId) = runner == worker

        fun isEnded(ending: Ending) = (state as? JobState.Ended)?.ending == ending

        fun isSameKeyAs(other: NewJob) = other.name == new.name && other.uniqueKey == new.uniqueKey

        fun isForgotten(now: Instant): Boolean {
            val ended = state as? JobState.Ended ?: return false
            val retention = new.retention ?: Retention.Default
            return ended.at + (if (ended.ending == Ending.COMPLETED) retention.completed else retention.failed) <= now
        }

        fun putBack(runAt: Instant?, attemptsMade: Int) {
            lease = null
            attempts = attemptsMade
            turn = ++lastTurn
            state = if (runAt != null && runAt > now) JobState.Scheduled(runAt) else JobState.Ready
        }

        fun claimedBy(worker: WorkerId, lease: Long): ClaimedJob {
            attempts++
            this.lease = lease
            state = JobState.Running(worker, attempts, now)
            return ClaimedJob(
                id, lease, worker, attempts, new.name.value, new.queue, new.priority, new.args, new.maxAttempts,
                enqueuedAt, new.parent, new.metadata,
            )
        }

        fun end(ending: Ending, at: Instant) {
            lease = null
            state = JobState.Ended(ending, at)
        }

        fun snapshot() = JobSnapshot(
            id, new.name, new.queue, new.priority, new.args, state, attempts, new.maxAttempts, enqueuedAt,
            new.metadata?.let { Json.decodeFromString<Map<String, String>>(it) }.orEmpty(),
            new.parent, result, failures.toList(),
        )
    }

    private companion object {
        /** Any instant will do; this one is far from zero. */
        val EPOCH = Instant.parse("2030-01-01T00:00:00Z")

        val MOST_URGENT_FIRST =
            compareByDescending<StoredJob> { it.new.priority }
                .thenBy(nullsLast()) { it.new.expectedAt }
                .thenBy { it.turn }
    }
}
