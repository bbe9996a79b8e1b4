package simulation

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.Cancellation
import kittiwake.store.Completion
import kittiwake.store.Inserted
import kittiwake.store.JobStore
import kittiwake.store.Pulse
import kittiwake.store.Rescued
import kotlin.random.Random
import kotlin.time.ComparableTimeMark
import kotlin.time.Duration
import kotlin.time.TimeSource

/** What could be wrong in a store, and which check must find it out. */
@OptIn(KittiwakeSpi::class)
enum class Bug(val what: String, val check: String, private val plant: (JobStore, Sources) -> JobStore) {
    FENCE_SKIPPED("any worker writes about any job that runs", "K4", { store, _ -> Unfenced(store) }),
    COMPLETED_BY_ID("a completion asks only for the job, not for the lease", "K4", {
        store,
        _,
        ->
        CompletesById(store)
    }),
    RESCUED_BY_ID("what a rescuer found it takes later, whoever has it then", "K3", {
        store,
        it,
        ->
        RescuesById(store, it)
    }),
    RESCUED_EARLY("half a lease of silence is enough for a rescue", "K3", { store, _ -> RescuesEarly(store) }),
    COMPLETION_DROPPED("one in 500 completions is answered and not written", "K1", { store, it -> Drops(store, it) }),
    RELEASED_WHILE_RUNNING("who is told to stop gives back what still runs", "K11", {
        store,
        _,
        ->
        ReleasesEarly(store)
    }),
    KEYS_FORGOTTEN("unique keys are not looked at", "K8", { store, _ -> ForgetsKeys(store) }),
    CANCELLED_IN_WORDS("who calls off a running job is told that it is done", "K1", {
        store,
        _,
        ->
        OnlySaysCancelled(store)
    }),
    ;

    /** Where a bug takes its time and its luck from. */
    class Sources(val clock: TimeSource.WithComparableMarks, val dice: Random)

    fun plantIn(store: JobStore, sources: Sources): JobStore = plant(store, sources)
}

/** Remembers who runs what, which is more than a store ought to need. */
@OptIn(KittiwakeSpi::class)
private abstract class Knowing(protected val store: JobStore) : JobStore by store {
    protected val current = LinkedHashMap<JobId, ClaimedJob>()

    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> =
        store.claim(worker, queue, limit).onEach { current[it.id] = it }
}

@OptIn(KittiwakeSpi::class)
private open class CompletesById(store: JobStore) : Knowing(store) {
    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
        jobs.flatMapTo(mutableSetOf()) {
            val claim = current[it.claim.id] ?: it.claim
            val now =
                when (it) {
                    is Completion.Succeeded -> Completion.Succeeded(claim, it.took, it.result)
                    is Completion.Discarded -> Completion.Discarded(claim, it.took, it.error)
                    is Completion.Settled -> it
                }
            store.end(claim.worker, listOf(now))
        }
}

@OptIn(KittiwakeSpi::class)
private class Unfenced(store: JobStore) : CompletesById(store) {
    override suspend fun putBack(worker: WorkerId, jobs: List<Completion.Return>): Set<JobId> =
        jobs.flatMapTo(mutableSetOf()) {
            val claim = current[it.claim.id] ?: it.claim
            val now =
                when (it) {
                    is Completion.Failed -> Completion.Failed(claim, it.took, it.error, it.delay)
                    is Completion.Snoozed -> Completion.Snoozed(claim, it.took, it.delay)
                    is Completion.Released -> Completion.Released(claim, it.took)
                }
            store.putBack(claim.worker, listOf(now))
        }
}

@OptIn(KittiwakeSpi::class)
private class RescuesById(store: JobStore, private val sources: Bug.Sources) : Knowing(store) {
    private val seen = LinkedHashMap<WorkerId, ComparableTimeMark>()
    private val leases = mutableMapOf<WorkerId, Duration>()
    private var found = emptyList<JobId>()

    override suspend fun join(worker: WorkerId, name: String, queues: Set<QueueName>, lease: Duration) {
        seen[worker] = sources.clock.markNow()
        leases[worker] = lease
        store.join(worker, name, queues, lease)
    }

    override suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse {
        seen[worker] = sources.clock.markNow()
        return store.beat(worker, running)
    }

    override suspend fun rescue(silentFor: Duration?, limit: Int, by: WorkerId?): List<Rescued> {
        for (claim in found.map(current::getValue)) {
            store.putBack(claim.worker, listOf(Completion.Failed(claim, Duration.ZERO, "silent", Duration.ZERO)))
        }
        val silent = seen.filter { (worker, mark) -> mark.elapsedNow() >= leases.getValue(worker) }.keys
        found = current.filterValues { it.worker in silent }.keys.toList()
        return store.rescue(silentFor, limit, by)
    }
}

@OptIn(KittiwakeSpi::class)
private class RescuesEarly(private val store: JobStore) : JobStore by store {
    override suspend fun join(worker: WorkerId, name: String, queues: Set<QueueName>, lease: Duration): Unit =
        store.join(worker, name, queues, lease / 2)
}

@OptIn(KittiwakeSpi::class)
private class Drops(private val store: JobStore, private val sources: Bug.Sources) : JobStore by store {
    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
        store.end(worker, jobs.filter { sources.dice.nextInt(ONE_IN) != 0 })

    private companion object {
        const val ONE_IN = 500
    }
}

@OptIn(KittiwakeSpi::class)
private class ReleasesEarly(store: JobStore) : Knowing(store) {
    override suspend fun stop(worker: WorkerId): Boolean {
        val running = current.values.filter { it.worker == worker }
        store.putBack(worker, running.map { Completion.Released(it, Duration.ZERO) })
        return store.stop(worker)
    }
}

@OptIn(KittiwakeSpi::class)
private class ForgetsKeys(private val store: JobStore) : JobStore by store {
    override suspend fun insert(jobs: List<NewJob>): List<Inserted> = store.insert(
        jobs.map { NewJob(it.name, it.queue, it.priority, it.args, it.maxAttempts, it.delay, it.runAt, it.expectedAt) },
    )
}

@OptIn(KittiwakeSpi::class)
private class OnlySaysCancelled(store: JobStore) : Knowing(store) {
    override suspend fun cancel(id: JobId): Cancellation =
        if (id in current) Cancellation.Cancelled else store.cancel(id)
}
