package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.NoTransactionException
import kittiwake.enqueue.EnqueueOptions
import kittiwake.enqueue.JobRef
import kittiwake.enqueue.NewJob
import kittiwake.enqueue.newJob
import kittiwake.job.JobId
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.JobType
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.postgres.statement.InsertJobs
import kittiwake.postgres.statement.Wake
import kittiwake.postgres.statement.queuesUntold
import kittiwake.store.Cancellation
import kittiwake.store.Inserted
import kittiwake.store.JobStore
import kittiwake.store.LocalBells
import kittiwake.worker.Worker
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.delay
import java.sql.Connection
import java.sql.SQLException
import javax.sql.DataSource
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/**
 * A job queue in one schema of one PostgreSQL database: the way in for enqueueing, and where workers come from.
 *
 * ```
 * val kittiwake = Kittiwake.connect(dataSource) { schema = "kittiwake" }
 * kittiwake.migrate()                                                    // explicit, or by your own migration tool
 *
 * kittiwake.enqueue(connection, resize, ResizeArgs(7, 640))              // in your JDBC transaction: all or nothing
 * kittiwake.submit(resize, ResizeArgs(7, 640)) { delay = 10.minutes }    // on its own
 *
 * kittiwake.worker { queue("images"); jobs(resize) }.runUntilShutdown()
 * ```
 * It takes no connection of the pool it is given, except to reach the server once and for all: its own statements run
 * on a few connections of its own. Close it when no worker of it runs any more; closing does not touch the pool it was
 * given.
 */
@OptIn(KittiwakeSpi::class)
public class Kittiwake private constructor(users: DataSource, private val config: KittiwakeConfig) : AutoCloseable {
    private val source = ConnectionSource(users, hasSessions = config.notifications)
    private val pool = ControlPool(source, config.poolSize)
    private val locals = LocalBells()
    private val wakes = WakeSender(config, pool, locals)
    private val insertJobs = InsertJobs(config.schema)
    private val migrations by lazy { Migrations(config.schema) }
    private val postgres = PostgresJobStore(config, source, pool, locals, wakes, ::checkSchema)
    private val fence = ClaimFence(config.schema, config.retention)

    @Volatile
    private var isSchemaKnown = false

    @Volatile
    private var isClosed = false

    /** The name of the schema its tables live in. */
    public val schema: String get() = config.schema.name

    /** The engine's door to this database. */
    @KittiwakeSpi
    public val store: JobStore get() = postgres

    /**
     * Brings the schema to this version's, creating it when it is missing. Returns the versions applied: none when it
     * was up to date.
     *
     * It is one transaction under a lock, so any number of processes may call it at once; it needs a role that may
     * create in the database. It throws [kittiwake.SchemaException] when the schema is newer than this library, and
     * never drops anything.
     */
    public fun migrate(): List<Int> = source.forMigrations.connection.use { migrations.apply(it) }

    /** The SQL that [migrate] would run on an empty database, for a migration tool of your own. */
    public fun migrationSql(): String = migrations.script()

    /**
     * The SQL that gives [role] what it needs for [access], and no more: to be run by the owner of the schema, after
     * each migration. Run twice it does no harm.
     */
    public fun grantSql(role: String, access: Access): String = access.grants(config.schema, role)

    /**
     * Enqueues a job in the transaction of [connection]: it exists once you commit, and never did when you roll back.
     *
     * A sleeping worker is told by the server when the transaction commits. Bad input throws before anything is sent,
     * so the transaction stays usable; the driver's own exceptions pass through. With a unique key that an unfinished
     * job has, the answer is that job.
     */
    public fun <A : Any, R> enqueue(
        connection: Connection,
        type: JobType<A, R>,
        args: A,
        options: EnqueueOptions.() -> Unit = {},
    ): JobRef<R> = enqueueAll(connection, type, listOf(args)) { options() }.single()

    /**
     * Enqueues one job for each of [args], in order, in statements of up to 1,000. [options] may look at the args that
     * it is for.
     */
    public fun <A : Any, R> enqueueAll(
        connection: Connection,
        type: JobType<A, R>,
        args: Iterable<A>,
        options: EnqueueOptions.(args: A) -> Unit = {},
    ): List<JobRef<R>> {
        if (connection.autoCommit) {
            throw NoTransactionException(
                "enqueue() needs an open transaction, but the connection is in auto-commit mode. " +
                    "Call setAutoCommit(false) first and commit when your own rows are written, " +
                    "or use submit() for a job on its own",
            )
        }
        return insert(connection, type, args.map { type.newJob(it) { options(it) } })
    }

    /** Enqueues a job in a transaction of its own. When this returns it is committed. */
    public suspend fun <A : Any, R> submit(
        type: JobType<A, R>,
        args: A,
        options: EnqueueOptions.() -> Unit = {},
    ): JobRef<R> = submitAll(type, listOf(args)) { options() }.single()

    /** Enqueues one job for each of [args], in order, in transactions of up to 1,000. */
    public suspend fun <A : Any, R> submitAll(
        type: JobType<A, R>,
        args: Iterable<A>,
        options: EnqueueOptions.(args: A) -> Unit = {},
    ): List<JobRef<R>> {
        checkOpen()
        return args.map { type.newJob(it) { options(it) } }.chunked(CHUNK).flatMap { refs(type, postgres.insert(it)) }
    }

    /** Configures a worker: which queues it works and who does the work. It does nothing until it is run. */
    public fun worker(configure: WorkerBuilder.() -> Unit): Worker {
        checkOpen()
        return WorkerBuilder(postgres, config.retention, source.connectionsForHandlers).apply(configure).build()
    }

    /** The job as it is now; null when there is none, or it ended so long ago that it is forgotten. */
    public suspend fun find(id: JobId): JobSnapshot? = postgres.find(id)

    /** Calls a job off, whether it waits or runs. The answer says what became of that. */
    public suspend fun cancel(id: JobId): Cancellation = postgres.cancel(id)

    /**
     * Asks a worker, perhaps of another process, to stop gracefully. It hears of it with its next heartbeat. False when
     * no such worker lives.
     */
    public suspend fun stop(worker: WorkerId): Boolean = postgres.stop(worker)

    /**
     * Waits until the job has ended, and returns it as it is kept; null when [timeout] passes first. It returns at once
     * if it ended before.
     */
    public suspend fun awaitEnd(id: JobId, timeout: Duration = 30.seconds): JobSnapshot? {
        val started = TimeSource.Monotonic.markNow()
        while (true) {
            val job = postgres.find(id)
            if (job?.state is JobState.Ended) return job
            if (started.elapsedNow() >= timeout) return null
            delay(LOOK_EVERY.coerceAtMost((timeout - started.elapsedNow()).coerceAtLeast(1.milliseconds)))
        }
    }

    /**
     * Stores checked jobs on a connection in a transaction. The server tells a sleeper when it commits; or, with
     * [untold], only whom it hands a job over to, and [untold] has the queues for which to call [wake] after that.
     */
    @KittiwakeSpi
    public fun <R> insert(
        connection: Connection,
        type: JobType<*, R>,
        jobs: List<NewJob>,
        untold: ((Set<QueueName>) -> Unit)? = null,
    ): List<JobRef<R>> {
        checkOpen()
        if (jobs.isEmpty()) return emptyList()
        try {
            checkSchema(connection)
            val wake =
                when {
                    !config.notifications -> Wake.NEVER
                    untold == null -> Wake.AT_COMMIT
                    else -> Wake.BY_CALLER
                }
            val inserted = jobs.chunked(CHUNK).flatMap { insertJobs.execute(connection, it, wake) }
            untold?.invoke(queuesUntold(jobs, inserted))
            return refs(type, inserted)
        } catch (e: SQLException) {
            throw e.explained()
        }
    }

    /** Tells sleeping workers, here and elsewhere, to look into [queues]. It returns at once and never throws. */
    @KittiwakeSpi
    public fun wake(queues: Collection<QueueName>) {
        wakes.send(queues)
    }

    /** What completes a job in the transaction of its handler. */
    @KittiwakeSpi
    public fun fence(): ClaimFence = fence

    /** Whether connections of [source] come from the pool that was given to [connect]. */
    internal fun isPooledWith(source: DataSource): Boolean = this.source.isPooledWith(source)

    /** Gives its own connections back. Workers must have been stopped before. */
    override fun close() {
        isClosed = true
        wakes.close()
        postgres.close()
        pool.close()
    }

    override fun toString(): String = "Kittiwake(schema $schema)"

    private fun <R> refs(type: JobType<*, R>, inserted: List<Inserted>): List<JobRef<R>> =
        inserted.map { JobRef(it.id, type, it.isNew) }

    private fun checkOpen(): Unit = check(!isClosed) { "Kittiwake is closed" }

    private fun checkSchema(connection: Connection) {
        if (isSchemaKnown) return
        migrations.check(connection)
        isSchemaKnown = true
    }

    public companion object {
        private const val CHUNK = 1_000
        private val LOOK_EVERY = 25.milliseconds

        /**
         * A queue on the server that [dataSource] talks to. Nothing is opened yet.
         *
         * Everything wrong in the configuration is reported at once, as an [IllegalArgumentException].
         */
        public fun connect(dataSource: DataSource, configure: KittiwakeBuilder.() -> Unit = {}): Kittiwake =
            Kittiwake(dataSource, KittiwakeBuilder().apply(configure).build())
    }
}
