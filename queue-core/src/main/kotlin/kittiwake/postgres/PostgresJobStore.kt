package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.postgres.statement.AnnounceSuspect
import kittiwake.postgres.statement.Beat
import kittiwake.postgres.statement.CancelJob
import kittiwake.postgres.statement.FindJob
import kittiwake.postgres.statement.ForgetWorkers
import kittiwake.postgres.statement.GiveBack
import kittiwake.postgres.statement.InsertJobs
import kittiwake.postgres.statement.JoinWorkers
import kittiwake.postgres.statement.MakeOffers
import kittiwake.postgres.statement.PromoteJobs
import kittiwake.postgres.statement.PruneArchive
import kittiwake.postgres.statement.RescueJobs
import kittiwake.postgres.statement.StopWorker
import kittiwake.postgres.statement.TakeTurn
import kittiwake.postgres.statement.Wake
import kittiwake.postgres.statement.queuesUntold
import kittiwake.store.Cancellation
import kittiwake.store.Completion
import kittiwake.store.Inserted
import kittiwake.store.JobStore
import kittiwake.store.LocalBells
import kittiwake.store.LocalWakeups
import kittiwake.store.Promotion
import kittiwake.store.Pulse
import kittiwake.store.Rescued
import kittiwake.store.UnwritableException
import kittiwake.store.Wakeups
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.withContext
import org.slf4j.LoggerFactory
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.Executors
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** The store on PostgreSQL: plain JDBC on a small pool of its own, one statement a verb. */
@OptIn(KittiwakeSpi::class)
internal class PostgresJobStore(
    private val config: KittiwakeConfig,
    private val source: ConnectionSource,
    private val pool: ControlPool,
    private val locals: LocalBells,
    private val wakes: WakeSender,
    private val checkSchema: (Connection) -> Unit,
) : JobStore,
    AutoCloseable {
    private val schema = config.schema
    private val retention = config.retention
    private val blocking: CoroutineDispatcher = Dispatchers.IO.limitedParallelism(pool.size)
    private val pulseThread = Executors.newSingleThreadExecutor { heart ->
        Thread(heart, "kittiwake-heartbeat").apply { isDaemon = true }
    }
    private val pulseConnection = OwnConnection(source, "heartbeat", 5.seconds)
    private val claims = ConcurrentHashMap<WorkerId, WorkerClaims>()

    private val insertJobs = InsertJobs(schema)
    private val inserts = SharedInserts(blocking) { jobs ->
        onPool {
            checkSchema(it)
            insertJobs.execute(it, jobs, if (config.notifications) Wake.BY_CALLER else Wake.NEVER)
        }
    }
    private val joinWorkers = JoinWorkers(schema)
    private val announceSuspect = AnnounceSuspect(schema)
    private val promoteJobs = PromoteJobs(schema)
    private val completions = Completions(schema, retention)
    private val giveBack = GiveBack(schema)
    private val makeOffers = MakeOffers(schema)
    private val beat = Beat(schema)
    private val takeTurn = TakeTurn(schema)
    private val rescueJobs = RescueJobs(schema, retention, config.crashLimit)
    private val forgetWorkers = ForgetWorkers(schema)
    private val pruneArchive = PruneArchive(schema)
    private val findJob = FindJob(schema)
    private val cancelJob = CancelJob(schema, retention)
    private val stopWorker = StopWorker(schema)

    override val engine = EngineDispatcher(Dispatchers.IO.limitedParallelism(pool.size + ENGINE_THREADS))
    override val pulse: CoroutineContext = pulseThread.asCoroutineDispatcher()

    private suspend fun <T> onPool(statement: (Connection) -> T): T {
        currentCoroutineContext().ensureActive()
        engine.heardOn()?.let { return withoutDetail { statement(it) } }
        return if (engine.isHere()) pool.use(statement) else withContext(blocking) { pool.use(statement) }
    }

    override suspend fun insert(jobs: List<NewJob>): List<Inserted> {
        if (jobs.isEmpty()) return emptyList()
        val inserted = inserts.insert(jobs)
        wakes.send(queuesUntold(jobs, inserted))
        return inserted
    }

    override suspend fun join(worker: WorkerId, name: String, queues: Set<QueueName>, lease: Duration) {
        if (lease.isPositive()) pulseConnection.waitAtMost(lease / BEATS_IN_A_LEASE)
        onPool {
            ServerCheck.check(it)
            if (config.notifications && ServerCheck.isPooled(it)) log.warn(POOLED)
            checkSchema(it)
            joinWorkers.execute(it, worker, name, queues, lease)
        }
    }

    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> =
        onPool { of(worker).claim(it, queue, limit) }

    override suspend fun takeUp(worker: WorkerId, queue: QueueName, lease: Long): ClaimedJob? =
        onPool { of(worker).takeUp(it, queue, lease) }

    override suspend fun returnHandedOver(worker: WorkerId) {
        val leases = of(worker).forsakeOffers()
        if (leases.isEmpty() || onPool { giveBack.release(it, worker, leases.keys) } == 0L) return
        wakes.send(leases.values.toSet())
    }

    override suspend fun look(worker: WorkerId, queues: Set<QueueName>, within: Duration): Set<QueueName> =
        onPool { of(worker).look(it, queues, within) }

    override suspend fun announce(claim: ClaimedJob): Boolean = onPool { announceSuspect.execute(it, claim) }

    override suspend fun promote(queue: QueueName, limit: Int): Promotion =
        onPool { promoteJobs.execute(it, queue, limit) }

    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> {
        val closing = of(worker).open.closing(jobs)
        val written = jobs.filterNot { it is Completion.Settled }
        if (written.isEmpty() && closing.emptied.isEmpty()) {
            closing.settle()
            return emptySet()
        }
        return writing { completions.end(it, worker, written, closing) }
    }

    override suspend fun putBack(worker: WorkerId, jobs: List<Completion.Return>): Set<JobId> = writing {
        completions.putBack(it, worker, jobs, of(worker).open.closing(jobs))
    }.also { lost ->
        val (released, later) = jobs.filter { it.claim.id !in lost }.partition { it is Completion.Released }
        later.mapTo(mutableSetOf()) { it.claim.queue }.forEach(locals::ring)
        if (released.isNotEmpty()) wakes.send(released.mapTo(mutableSetOf()) { it.claim.queue })
    }

    override suspend fun completedAnyway(worker: WorkerId, claims: List<ClaimedJob>): Set<JobId> =
        onPool { completions.completedAnyway(it, worker, claims) }

    private suspend fun <T> writing(statement: (Connection) -> T): T = try {
        onPool(statement)
    } catch (e: SQLException) {
        throw if (e.isRefusal) UnwritableException("The server refuses what it is given", e) else e
    }

    override suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse = withContext(pulse) {
        pulseConnection.use { connection ->
            beat.execute(connection, worker, running).also { of(worker).releaseDoubtful(connection, giveBack) }
        }
    }

    override suspend fun leave(worker: WorkerId) {
        onPool {
            makeOffers.withdrawAll(it, worker)
            giveBack.leave(it, worker)
        }
        claims.remove(worker)
    }

    override suspend fun takeTurn(task: String, every: Duration): Boolean =
        onPool { takeTurn.execute(it, task, every.inWholeMicroseconds) }

    override suspend fun rescue(silentFor: Duration?, limit: Int, by: WorkerId?): List<Rescued> = onPool { connection ->
        rescueJobs.execute(connection, silentFor, limit, by).also { forgetWorkers.execute(connection) }
    }.also { rescued ->
        wakes.send(rescued.mapTo(mutableSetOf()) { it.queue })
    }

    override suspend fun prune(retentions: Set<Retention>): Int = onPool { pruneArchive.execute(it, retentions) }

    override suspend fun find(id: JobId): JobSnapshot? = onPool { findJob.execute(it, id) }

    override suspend fun cancel(id: JobId): Cancellation = onPool { connection ->
        while (!cancelJob.execute(connection, id)) {
            val state = findJob.execute(connection, id)?.state ?: return@onPool Cancellation.NotFound
            if (state is JobState.Ended) return@onPool Cancellation.AlreadyEnded(state.ending, state.at)
        }
        Cancellation.Cancelled
    }

    override suspend fun stop(worker: WorkerId): Boolean = onPool { stopWorker.execute(it, worker) }

    override fun wakeups(worker: WorkerId, queues: Set<QueueName>): Wakeups = if (config.notifications) {
        val threads = Dispatchers.IO.limitedParallelism(LISTENING_THREADS)
        PostgresWakeups(schema, source, worker, queues, of(worker).offers, locals, engine, threads)
    } else {
        LocalWakeups(locals)
    }

    override fun close() {
        pulseThread.shutdown()
        pulseConnection.close()
    }

    private fun of(worker: WorkerId): WorkerClaims = claims.computeIfAbsent(worker) {
        WorkerClaims(schema, retention, it, onMore = locals::ring)
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
        const val POOLED =
            "The engine's connections go through a pooler. If that is in transaction mode, connect with " +
                "notifications = false: else wake-ups are lost, and the engine's settings leak to the application"
        const val ENGINE_THREADS = 4

        /** One reads all the time, one takes and gives back the sleepers' locks. */
        const val LISTENING_THREADS = 2

        /** So often may a beat go unanswered, and the next one still come in time. */
        const val BEATS_IN_A_LEASE = 4
    }
}
