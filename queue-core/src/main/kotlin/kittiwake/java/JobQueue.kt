package kittiwake.java

import kittiwake.enqueue.EnqueueOptions
import kittiwake.java.internal.Waits
import kittiwake.job.JobId
import kittiwake.job.JobType
import kittiwake.postgres.Access
import kittiwake.postgres.Kittiwake
import kittiwake.store.Cancellation
import java.sql.Connection
import java.sql.SQLException
import java.time.Duration
import java.util.Optional
import java.util.concurrent.CompletableFuture
import java.util.function.BiConsumer
import java.util.function.Consumer
import javax.sql.DataSource
import kotlin.time.toKotlinDuration

/**
 * A job queue in one schema of one PostgreSQL database, for Java: the way in for enqueueing, and where workers come
 * from.
 *
 * ```java
 * try (JobQueue queue = JobQueue.connect(dataSource)) {
 *     queue.migrate();                                                // explicit, or by your own migration tool
 *
 *     connection.setAutoCommit(false);
 *     long image = insertImage(connection, upload);
 *     queue.enqueue(connection, RESIZE, new ResizeArgs(image, 640));  // in your transaction: all or nothing
 *     connection.commit();
 *
 *     queue.submit(RESIZE, new ResizeArgs(8, 640));                   // on its own
 * }
 * ```
 * Closing it gives its own connections back and does not touch the pool it was given. Close its workers first.
 */
public class JobQueue private constructor(private val kittiwake: Kittiwake) : AutoCloseable {
    private val waits = Waits()

    /** The name of the schema its tables live in. */
    public fun schema(): String = kittiwake.schema

    /**
     * Brings the schema to this version's, creating it when it is missing. Returns the versions applied: none when it
     * was up to date.
     *
     * It is one transaction under a lock, so any number of processes may call it at once. It never drops anything.
     */
    @Throws(SQLException::class)
    public fun migrate(): List<Int> = kittiwake.migrate()

    /** The SQL that [migrate] would run on an empty database, for a migration tool of your own. */
    public fun migrationSql(): String = kittiwake.migrationSql()

    /**
     * The SQL that gives [role] what it needs for [access], and no more: to be run by the owner of the schema, after
     * each migration. Run twice it does no harm.
     */
    public fun grantSql(role: String, access: Access): String = kittiwake.grantSql(role, access)

    /**
     * Enqueues a job in the transaction of [connection]: it exists once you commit, and never did when you roll back.
     *
     * Bad input throws before anything is sent, so the transaction stays usable; the driver's own exceptions pass
     * through. With a unique key that an unfinished job has, the answer is that job.
     */
    @Throws(SQLException::class)
    public fun <A : Any, R> enqueue(connection: Connection, type: JobType<A, R>, args: A): JobHandle<R> =
        JobHandle(kittiwake.enqueue(connection, type, args))

    /** As the form without [settings], and says more about the job: `job -> job.delay(…).priority(5)`. */
    @Throws(SQLException::class)
    public fun <A : Any, R> enqueue(
        connection: Connection,
        type: JobType<A, R>,
        args: A,
        settings: Consumer<EnqueueSettings>,
    ): JobHandle<R> = JobHandle(kittiwake.enqueue(connection, type, args) { accept(settings) })

    /** Enqueues one job for each of [args] in the transaction of [connection], in order, 1,000 in a statement. */
    @Throws(SQLException::class)
    public fun <A : Any, R> enqueueAll(
        connection: Connection,
        type: JobType<A, R>,
        args: Iterable<A>,
    ): List<JobHandle<R>> = kittiwake.enqueueAll(connection, type, args).map { JobHandle(it) }

    /** As the form without [settings], which may look at the args that they are for. */
    @Throws(SQLException::class)
    public fun <A : Any, R> enqueueAll(
        connection: Connection,
        type: JobType<A, R>,
        args: Iterable<A>,
        settings: BiConsumer<in A, EnqueueSettings>,
    ): List<JobHandle<R>> = kittiwake.enqueueAll(connection, type, args) { accept(it, settings) }.map { JobHandle(it) }

    /**
     * Enqueues a job in a transaction of its own. When this returns it is committed.
     *
     * An interrupt does not break it off, and stays set for whoever looks next.
     */
    @Throws(SQLException::class)
    public fun <A : Any, R> submit(type: JobType<A, R>, args: A): JobHandle<R> =
        JobHandle(waits.untilDone { kittiwake.submit(type, args) })

    /** As the form without [settings], and says more about the job: `job -> job.delay(…).priority(5)`. */
    @Throws(SQLException::class)
    public fun <A : Any, R> submit(type: JobType<A, R>, args: A, settings: Consumer<EnqueueSettings>): JobHandle<R> =
        JobHandle(waits.untilDone { kittiwake.submit(type, args) { accept(settings) } })

    /** Enqueues one job for each of [args], in order, in transactions of up to 1,000. */
    @Throws(SQLException::class)
    public fun <A : Any, R> submitAll(type: JobType<A, R>, args: Iterable<A>): List<JobHandle<R>> =
        waits.untilDone { kittiwake.submitAll(type, args) }.map { JobHandle(it) }

    /** As the form without [settings], which may look at the args that they are for. */
    @Throws(SQLException::class)
    public fun <A : Any, R> submitAll(
        type: JobType<A, R>,
        args: Iterable<A>,
        settings: BiConsumer<in A, EnqueueSettings>,
    ): List<JobHandle<R>> = waits
        .untilDone {
            kittiwake.submitAll(type, args) { accept(it, settings) }
        }.map { JobHandle(it) }

    /** The job as it is now; empty when there is none, or it ended so long ago that it is forgotten. */
    @Throws(SQLException::class)
    public fun find(id: Long): Optional<StoredJob> =
        Optional.ofNullable(waits.untilDone { kittiwake.find(JobId(id)) }).map { StoredJob(it) }

    /** Calls a job off, whether it waits or runs: never a silent success, the answer says what became of that. */
    @Throws(SQLException::class)
    public fun cancel(id: Long): CancelResult = when (waits.untilDone { kittiwake.cancel(JobId(id)) }) {
        is Cancellation.Cancelled -> CancelResult.CANCELLED
        is Cancellation.AlreadyEnded -> CancelResult.ALREADY_ENDED
        is Cancellation.NotFound -> CancelResult.NOT_FOUND
    }

    /** Waits until the job has ended, and returns it as it is kept; empty when [timeout] passes first. */
    @Throws(SQLException::class, InterruptedException::class)
    public fun await(id: Long, timeout: Duration): Optional<StoredJob> = waits.interruptibly(awaitAsync(id, timeout))

    /**
     * The job as it is kept when it has ended, or empty when [timeout] passes first. Cancelling the future ends the
     * wait and leaves the job alone.
     */
    public fun awaitAsync(id: Long, timeout: Duration): CompletableFuture<Optional<StoredJob>> = waits.future {
        Optional.ofNullable(kittiwake.awaitEnd(JobId(id), timeout.toKotlinDuration())).map { StoredJob(it) }
    }

    /** Configures a worker, called [name] in logs. It does nothing until it is started. */
    public fun worker(name: String): WorkerDefinition = WorkerDefinition(kittiwake, name)

    /** Gives its own connections back and ends every wait. Workers must have been stopped before. */
    override fun close() {
        waits.close()
        kittiwake.close()
    }

    override fun toString(): String = "JobQueue(schema ${schema()})"

    public companion object {
        /** A queue in the schema "kittiwake" on the server that [dataSource] talks to. Nothing is opened yet. */
        @JvmStatic
        public fun connect(dataSource: DataSource): JobQueue = JobQueue(Kittiwake.connect(dataSource))

        /** A queue in [schema]: 1 to 48 of a-z, 0-9 and _, always quoted. */
        @JvmStatic
        public fun connect(dataSource: DataSource, schema: String): JobQueue =
            JobQueue(Kittiwake.connect(dataSource) { this.schema = schema })

        /** The queue of a program that has a [kittiwake] already. Closing either closes both. */
        @JvmStatic
        public fun of(kittiwake: Kittiwake): JobQueue = JobQueue(kittiwake)
    }
}

/** What became of a wish to cancel a job. */
public enum class CancelResult {
    /** It is cancelled. If it was running, nothing that its attempt still writes through Kittiwake takes effect. */
    CANCELLED,

    /** It had ended before. */
    ALREADY_ENDED,

    /** No such job, or one that ended so long ago that it is forgotten. */
    NOT_FOUND,
}

private fun EnqueueOptions.accept(settings: Consumer<EnqueueSettings>) = settings.accept(EnqueueSettings(this))

private fun <A> EnqueueOptions.accept(args: A, settings: BiConsumer<in A, EnqueueSettings>) =
    settings.accept(args, EnqueueSettings(this))
