package kittiwake.exposed

import kittiwake.KittiwakeSpi
import kittiwake.NoTransactionException
import kittiwake.enqueue.EnqueueOptions
import kittiwake.enqueue.JobRef
import kittiwake.enqueue.newJob
import kittiwake.job.JobType
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.currentOrNull
import org.jetbrains.exposed.v1.jdbc.transactions.transactionManager
import java.sql.Connection

/**
 * Enqueues a job in the transaction around it: the job exists once that commits, and never did when it rolls back.
 *
 * ```
 * transaction(db) {
 *     val id = Images.insertAndGetId { it[path] = upload.path }
 *     resize.enqueue(ResizeArgs(id.value, 640)) { priority = 5 }
 * }
 * ```
 * It does not compile outside a transaction, and is not suspending: it is an INSERT on your connection. Bad input
 * throws before anything is sent, so the transaction stays usable. A sleeping worker is handed the job by the commit, or
 * told after it. With a unique key that an unfinished job has, the answer is that job.
 *
 * ### Pitfall
 * Exposed runs a block again when an `SQLException` leaves it: return the [JobRef] from the block rather than
 * collecting it outside.
 */
@JvmName("enqueueInContext")
context(tx: JdbcTransaction)
public fun <A : Any, R> JobType<A, R>.enqueue(args: A, options: EnqueueOptions.() -> Unit = {}): JobRef<R> =
    tx.enqueue(this, args, options)

/**
 * Enqueues one job for each of [args], in order, in statements of up to 1,000. [options] may look at the args that it
 * is for.
 */
@JvmName("enqueueAllInContext")
context(tx: JdbcTransaction)
public fun <A : Any, R> JobType<A, R>.enqueueAll(
    args: Iterable<A>,
    options: EnqueueOptions.(args: A) -> Unit = {},
): List<JobRef<R>> = tx.enqueueAll(this, args, options)

/**
 * The form for a transaction in a variable, and for compilers without context parameters. Otherwise as
 * [JobType.enqueue].
 */
public fun <A : Any, R> JdbcTransaction.enqueue(
    type: JobType<A, R>,
    args: A,
    options: EnqueueOptions.() -> Unit = {},
): JobRef<R> = enqueueAll(type, listOf(args)) { options() }.single()

/** The form of [enqueueAll] for a transaction in a variable. */
@OptIn(KittiwakeSpi::class)
public fun <A : Any, R> JdbcTransaction.enqueueAll(
    type: JobType<A, R>,
    args: Iterable<A>,
    options: EnqueueOptions.(args: A) -> Unit = {},
): List<JobRef<R>> {
    val kittiwake = kittiwakeOf(db)
    checkUsable()
    val jobs = args.map { type.newJob(it) { options(it) } }
    return kittiwake.insert(connection.connection as Connection, type, jobs) { wakeAfterCommit(kittiwake, it) }
}

/**
 * What the compiler cannot know: that the transaction is still open, is the one of this thread, and may write. The
 * connection is looked at last: that of a transaction which has ended without a statement would be opened, and never
 * given back.
 */
private fun JdbcTransaction.checkUsable() {
    val current = db.transactionManager.currentOrNull()
    if (current?.root() !== root()) {
        throw NoTransactionException(
            "enqueue() was given the transaction $transactionId of ${db.place}, but the current one of this thread " +
                "is ${current?.transactionId ?: "none"}. Either it has ended, for a coroutine launched inside " +
                "transaction { } outlives it, or it belongs to another thread: enqueue in the block itself",
        )
    }
    if (readOnly) {
        throw NoTransactionException("enqueue() needs a transaction that may write, but this one is read-only")
    }
    if (connection.isClosed) {
        throw NoTransactionException(
            "enqueue() needs an open transaction, but this one ($transactionId) has ended. A coroutine that takes " +
                "the context of suspendTransaction { } along outlives it: enqueue in the block itself",
        )
    }
}

/** The transaction whose commit is the server's: nested ones are savepoints of it. */
internal tailrec fun JdbcTransaction.root(): JdbcTransaction {
    val outer = outerTransaction ?: return this
    return outer.root()
}
