package simulation

import chaos.history.Change
import chaos.history.Change.Kind
import chaos.history.LifeChange
import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.ClaimedJob
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.Cancellation
import kittiwake.store.Completion
import kittiwake.store.Inserted
import kittiwake.store.JobStore
import kittiwake.store.Pulse
import kittiwake.store.Rescued
import kittiwake.store.Wakeups
import kotlin.time.Duration
import kotlin.time.Instant

/**
 * Writes down what [store] does with its jobs, by comparing them before and after each verb: what it really did, not
 * what it was asked or answered. So a wrong store is found out.
 */
@OptIn(KittiwakeSpi::class)
class RecordedStore(private val store: JobStore, private val now: () -> Instant) : JobStore by store {
    /** A job as it was last seen, and who has it in which lease. */
    private class Seen(val new: NewJob, var state: JobState, var holder: Holder? = null)

    private class Holder(val lease: Long, val worker: WorkerId)

    private val ClaimedJob.holder get() = Holder(lease, worker)

    /** What was told last of a job that was handed over: in the midst of its insert. */
    private var handedOver: Holder? = null

    private val jobs = LinkedHashMap<JobId, Seen>()
    private val lastSeen = LinkedHashMap<WorkerId, Instant>()
    private val leases = mutableMapOf<WorkerId, Duration>()
    private val joined = HashSet<WorkerId>()
    private var order = 0L

    val changes = mutableListOf<Change>()
    val lives = mutableListOf<LifeChange>()

    val ids: List<JobId> get() = jobs.keys.toList()

    val living: List<WorkerId> get() = lastSeen.keys.toList()

    /** The jobs that are not over, by what the store last did with them. */
    val unfinished: List<JobId> get() = jobs.filterValues { it.state !is JobState.Ended }.keys.toList()

    override suspend fun insert(jobs: List<NewJob>): List<Inserted> = store.insert(jobs).also { answers ->
        answers.forEachIndexed { i, inserted ->
            if (inserted.id in this.jobs) return@forEachIndexed
            this.jobs[inserted.id] = Seen(jobs[i], look(inserted.id).state)
            val new = jobs[i]
            changes +=
                Change(
                    ++order, now(), inserted.id.value, Kind.ENQUEUED, 0, name = new.name.value,
                    parent = new.parent?.value, key = new.uniqueKey, maxAttempts = new.maxAttempts,
                )
            if (inserted.isHandedOver) claimed(inserted.id, attempt = 1, checkNotNull(handedOver))
        }
    }

    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> =
        store.claim(worker, queue, limit).onEach { claimed(it.id, it.attempt, it.holder) }

    private suspend fun claimed(id: JobId, attempt: Int, holder: Holder) {
        val seen = jobs.getValue(id)
        seen.holder = holder
        seen.state = look(id).state
        note(id, Kind.CLAIMED, attempt, holder)
    }

    override fun wakeups(worker: WorkerId, queues: Set<QueueName>): Wakeups {
        val wakeups = store.wakeups(worker, queues)
        return object : Wakeups by wakeups {
            override suspend fun listen(ears: Wakeups.Ears) = wakeups.listen(
                object : Wakeups.Ears by ears {
                    override fun handedOver(queue: QueueName, lease: Long) {
                        handedOver = Holder(lease, worker)
                        ears.handedOver(queue, lease)
                    }
                },
            )
        }
    }

    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
        store.end(worker, jobs).also { jobs.forEach { compare(it.claim.id, Kind.PUT_BACK, it.claim.holder) } }

    override suspend fun putBack(worker: WorkerId, jobs: List<Completion.Return>): Set<JobId> =
        store.putBack(worker, jobs).also {
            jobs.forEach {
                compare(it.claim.id, if (it is Completion.Failed) Kind.FAILED else Kind.PUT_BACK, it.claim.holder)
            }
        }

    override suspend fun returnHandedOver(worker: WorkerId) {
        store.returnHandedOver(worker)
        compareRunning(Kind.PUT_BACK)
    }

    override suspend fun leave(worker: WorkerId) {
        store.leave(worker)
        compareRunning(Kind.PUT_BACK)
        lastSeen.remove(worker)?.let { note(worker, LifeChange.Kind.LEFT, it) }
    }

    override suspend fun rescue(silentFor: Duration?, limit: Int, by: WorkerId?): List<Rescued> {
        val silent = silent(silentFor, by)
        return store.rescue(silentFor, limit, by).also {
            for ((worker, seen) in silent) {
                lastSeen.remove(worker)
                note(worker, LifeChange.Kind.GIVEN_UP, seen)
            }
            compareRunning(Kind.RESCUED)
        }
    }

    private fun silent(silentFor: Duration?, by: WorkerId?): Map<WorkerId, Instant> {
        val patience = if (by == null) Duration.ZERO else leases.getValue(by)
        if (by != null && lastSeen[by].let { it == null || it + patience / 2 <= now() }) return emptyMap()
        return lastSeen.filter { (worker, seen) ->
            seen + (silentFor ?: maxOf(leases.getValue(worker), patience)) <= now()
        }
    }

    override suspend fun cancel(id: JobId): Cancellation =
        store.cancel(id).also { if (id in jobs) compare(id, Kind.PUT_BACK, jobs.getValue(id).holder) }

    override suspend fun stop(worker: WorkerId): Boolean = store.stop(worker).also { compareRunning(Kind.PUT_BACK) }

    override suspend fun join(worker: WorkerId, name: String, queues: Set<QueueName>, lease: Duration) {
        store.join(worker, name, queues, lease)
        if (worker in lastSeen) lastSeen[worker] = now()
        if (!joined.add(worker)) return
        leases[worker] = lease
        lastSeen[worker] = now()
        note(worker, LifeChange.Kind.JOINED, now())
    }

    override suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse = store.beat(worker, running).also {
        if (it.alive) note(worker, LifeChange.Kind.BEAT, checkNotNull(lastSeen.put(worker, now())))
    }

    private suspend fun compareRunning(back: Kind) {
        for ((id, seen) in jobs) if (seen.state is JobState.Running) compare(id, back, seen.holder)
    }

    /** If the job has moved, it was by its [holder]; if it waits again, that was [back]. */
    private suspend fun compare(id: JobId, back: Kind, holder: Holder?) {
        val seen = jobs.getValue(id)
        val found = look(id)
        val state = found.state
        if (placeOf(state) == placeOf(seen.state)) return
        seen.state = state
        seen.holder = null
        val kind =
            when (endingOf(state)) {
                Ending.COMPLETED -> Kind.COMPLETED
                Ending.DISCARDED -> Kind.DISCARDED
                Ending.CANCELLED -> Kind.CANCELLED
                null -> back
            }
        note(id, kind, found.attempts, holder)
    }

    /** To fall due is no move. */
    private fun placeOf(state: JobState): String = when (state) {
        is JobState.Scheduled, JobState.Ready -> "waiting"
        is JobState.Running -> "running"
        is JobState.Ended -> "${state.ending}"
    }

    private fun endingOf(state: JobState): Ending? = (state as? JobState.Ended)?.ending

    private suspend fun look(id: JobId): JobSnapshot = checkNotNull(store.find(id)) { "Job $id is forgotten" }

    private fun note(id: JobId, kind: Kind, attempt: Int, holder: Holder?) {
        changes += Change(++order, now(), id.value, kind, attempt, holder?.lease, holder?.worker?.value)
    }

    private fun note(worker: WorkerId, kind: LifeChange.Kind, lastSeen: Instant) {
        lives += LifeChange(++order, now(), worker.value, kind, lastSeen)
    }
}
