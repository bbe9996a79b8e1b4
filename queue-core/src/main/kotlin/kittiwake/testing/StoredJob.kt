package kittiwake.testing

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.AttemptFailure
import kittiwake.job.ClaimedJob
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.Retention
import kittiwake.job.SUSPECT_AFTER
import kittiwake.job.WorkerId
import kittiwake.store.Completion
import kittiwake.store.Rescued
import kittiwake.store.SILENT
import kittiwake.store.parked
import kotlinx.serialization.json.Json
import kotlin.reflect.KClass
import kotlin.time.Instant

/** A job as it lies in an [InMemoryJobStore], whose lock guards it. */
@OptIn(KittiwakeSpi::class)
internal class StoredJob(val id: JobId, val new: NewJob, val enqueuedAt: Instant) {
    var state: JobState = JobState.Ready
        private set
    var attempts = 0
        private set
    var lease: Long? = null
        private set

    /** Who wrote how which attempt ended, as long as a trace of it is kept: of an ended job, the last one. */
    val traces = mutableMapOf<Int, Pair<WorkerId, KClass<out Completion>>>()

    /** Its place in the order of those that became ready. */
    var turn = 0L
        private set
    var result: String? = null
    var crashes = 0
    val failures = mutableListOf<AttemptFailure>()

    val dueAt: Instant get() = (state as JobState.Scheduled).runAt
    val runner: WorkerId? get() = (state as? JobState.Running)?.worker
    private val retention: Retention get() = new.retention ?: Retention.Default
    val isSuspect: Boolean get() = crashes >= SUSPECT_AFTER

    fun isRunningAt(worker: WorkerId): Boolean = runner == worker

    fun isHeldBy(claim: ClaimedJob): Boolean = lease == claim.lease && isRunningAt(claim.worker)

    fun isEnded(ending: Ending): Boolean = (state as? JobState.Ended)?.ending == ending

    fun isSameKeyAs(other: NewJob): Boolean = other.name == new.name && other.uniqueKey == new.uniqueKey

    fun isForgotten(now: Instant): Boolean {
        val ended = state as? JobState.Ended ?: return false
        return ended.at + (if (ended.ending == Ending.COMPLETED) retention.completed else retention.failed) <= now
    }

    /** Waits until [runAt], or is ready when that is null. */
    fun putBack(runAt: Instant?, attemptsMade: Int, turn: Long) {
        lease = null
        attempts = attemptsMade
        this.turn = turn
        state = if (runAt != null) JobState.Scheduled(runAt) else JobState.Ready
    }

    fun claimedBy(worker: WorkerId, lease: Long, now: Instant): ClaimedJob {
        attempts++
        this.lease = lease
        state = JobState.Running(worker, attempts, now)
        return claim(worker, lease)
    }

    fun claim(worker: WorkerId, lease: Long) = ClaimedJob(
        id, lease, worker, attempts, new.name.value, new.queue, new.priority, new.args, new.maxAttempts,
        enqueuedAt, new.parent, new.metadata, crashes, isArchived = retention.completed.isPositive(),
    )

    fun end(ending: Ending, at: Instant) {
        lease = null
        traces.clear()
        state = JobState.Ended(ending, at)
    }

    /** Taken from a worker that was silent: back to its queue at that [turn], or ended. */
    fun rescue(isBlamed: Boolean, crashLimit: Int?, at: Instant, turn: Long): Rescued {
        if (isBlamed) crashes++
        val isParked = isBlamed && crashLimit != null && crashes >= crashLimit
        val isOver = isParked || attempts >= new.maxAttempts
        failures += AttemptFailure(attempts, at, if (isParked) parked(crashLimit) else SILENT)
        if (isOver) end(Ending.DISCARDED, at) else putBack(null, attempts, turn)
        return Rescued(id, new.name.value, new.queue, attempts, isOver)
    }

    fun snapshot(): JobSnapshot = JobSnapshot(
        id, new.name, new.queue, new.priority, new.args, state, attempts, new.maxAttempts, enqueuedAt,
        new.metadata?.let { Json.decodeFromString<Map<String, String>>(it) }.orEmpty(),
        new.parent, result, failures.toList(),
    )

    companion object {
        /** The order of claims. */
        val MOST_URGENT_FIRST: Comparator<StoredJob> =
            compareByDescending<StoredJob> { it.new.priority }
                .thenBy(nullsLast()) { it.new.expectedAt }
                .thenBy { it.turn }
                .thenBy { it.id.value }
    }
}
