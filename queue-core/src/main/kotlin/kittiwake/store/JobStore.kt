package kittiwake.store

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.JobSnapshot
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration

/**
 * The one door to the database: each verb is one short transaction of its own, and takes effect wholly or not at all.
 *
 * The store's clock decides; the engine passes durations. A verb that throws may or may not have taken effect, as with
 * a lost connection: all of them can be repeated, and a completion that had taken effect is then answered as written,
 * as far as a trace of it is kept. `jobStoreContract` says the rest by example.
 */
@KittiwakeSpi
public interface JobStore {
    /** Where the engine's own loops run, so that handlers cannot starve them. */
    public val engine: CoroutineContext

    /** Where the heartbeat runs, so that nothing can starve it. */
    public val pulse: CoroutineContext

    /** Stores [jobs], and answers for each in order: the new one, or the unfinished one that had its unique key. */
    public suspend fun insert(jobs: List<NewJob>): List<Inserted>

    /**
     * Takes [worker] into the list of the living, from which nobody strikes it off before it has been silent for its
     * [lease], whoever looks. It throws [kittiwake.SchemaException] when the store is not one that it knows.
     */
    public suspend fun join(worker: WorkerId, name: String, queues: Set<QueueName>, lease: Duration = Duration.ZERO)

    /**
     * Takes up to [limit] ready jobs: highest priority first, then by expected time, unset last, then in the order of
     * their enqueue.
     */
    public suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob>

    /**
     * The job that an enqueuer has put into [lease], which [worker] had offered for [queue]: it is claimed since that
     * transaction has committed. Null when it was cancelled, is not this worker's any more, or was taken up before.
     */
    public suspend fun takeUp(worker: WorkerId, queue: QueueName, lease: Long): ClaimedJob? = null

    /**
     * Gives back at no cost of an attempt what was handed over to [worker], or will be, and not taken up: from now on it
     * takes up nothing.
     */
    public suspend fun returnHandedOver(worker: WorkerId) {}

    /**
     * Writes down, before it starts, that its worker now runs [claim], a suspect: if that worker falls silent before
     * the job has ended or gone back, this job alone is to blame. The next one takes its place. False when the claim is
     * lost.
     */
    public suspend fun announce(claim: ClaimedJob): Boolean

    /**
     * Those of [queues] in which [worker] may find something to claim, or something that falls due [within] so long. It
     * may name more, and by default names all.
     */
    public suspend fun look(worker: WorkerId, queues: Set<QueueName>, within: Duration): Set<QueueName> = queues

    /** Makes up to [limit] due jobs of [queue] ready, and says when the next one is due. */
    public suspend fun promote(queue: QueueName, limit: Int): Promotion

    /**
     * Ends jobs, and returns those that were no longer this worker's: nothing is written of them. It throws
     * [UnwritableException] when one of them is what the store can never write.
     *
     * Of one lease this or [putBack] is called once at a time.
     */
    public suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId>

    /** Puts jobs back to run again. It answers and throws as [end] does. */
    public suspend fun putBack(worker: WorkerId, jobs: List<Completion.Return>): Set<JobId>

    /**
     * Those of [claims], which could no longer be written about, that [worker] itself had completed under them: in the
     * handler's own transaction, whose commit was never answered.
     */
    public suspend fun completedAnyway(worker: WorkerId, claims: List<ClaimedJob>): Set<JobId> = emptySet()

    /**
     * Keeps all claims of [worker], even when they had expired, as long as nobody has taken them. Asks after the
     * [running] jobs.
     */
    public suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse

    /** Gives back at no cost of an attempt whatever [worker] still holds, and forgets it. */
    public suspend fun leave(worker: WorkerId)

    /** True for one caller in every [every] at most, over all processes. */
    public suspend fun takeTurn(task: String, every: Duration): Boolean

    /**
     * Takes the jobs of up to [limit] claims of workers that were silent for their lease, or [silentFor] so long if that
     * is said. The attempt counts; used-up jobs are discarded.
     *
     * For the worker that asks, [by], nobody is too late who is no later than its own lease allows; and nobody at all
     * while it has not itself given a sign of life for half of that: then the silence is the store's.
     *
     * A worker that nobody had asked to stop has crashed. To blame is the suspect that it had announced and still held,
     * or else all that it held, without the suspects among them: they had not started. A job is discarded, too, when it
     * is to blame for as many crashes as the store allows.
     */
    public suspend fun rescue(silentFor: Duration?, limit: Int, by: WorkerId? = null): List<Rescued>

    /** Forgets ended jobs whose retention is over, and makes room for what will end under one of [retentions]. */
    public suspend fun prune(retentions: Set<Retention>): Int

    /** The job as it is now, or null when there is none or it is forgotten. */
    public suspend fun find(id: JobId): JobSnapshot?

    /** Ends the job as cancelled, wherever it is. A running one loses the right to write anything. */
    public suspend fun cancel(id: JobId): Cancellation

    /** Asks a worker to stop gracefully; it learns of it with its next heartbeat. False when no such worker lives. */
    public suspend fun stop(worker: WorkerId): Boolean

    /** The signals for [queues], for one life of one [worker]. */
    public fun wakeups(worker: WorkerId, queues: Set<QueueName>): Wakeups
}

/** The store refuses what it was given, and would refuse it again, however often it is tried. */
@KittiwakeSpi
public class UnwritableException(message: String, cause: Throwable) : RuntimeException(message, cause)

/** What became of an insert. Of a job that [isHandedOver] its worker hears when the transaction commits. */
@KittiwakeSpi
public class Inserted(public val id: JobId, public val isNew: Boolean, public val isHandedOver: Boolean = false)

/** [moved] jobs became ready; the next one is due after [nextDueIn], or none is waiting. */
@KittiwakeSpi
public class Promotion(public val moved: Int, public val nextDueIn: Duration?)

/**
 * The answer to a heartbeat: whether the worker still lives, whether it should stop, and which of its jobs were
 * cancelled.
 */
@KittiwakeSpi
public class Pulse(public val alive: Boolean, public val stopRequested: Boolean, public val cancelled: Set<JobId>)

/**
 * A job taken from a silent worker: back in its queue, or [discarded] because its attempts or its crashes were used up.
 */
@KittiwakeSpi
public class Rescued(
    public val id: JobId,
    public val name: String,
    public val queue: QueueName,
    public val attempt: Int,
    public val discarded: Boolean,
)
