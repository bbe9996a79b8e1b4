package kittiwake.exposed

import kittiwake.KittiwakeSpi
import kittiwake.job.HandlerBinding
import kittiwake.job.JobHandler
import kittiwake.job.JobScope
import kittiwake.job.JobType
import kittiwake.job.Outcome
import kittiwake.job.onBlockingThread
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.ensureActive
import org.jetbrains.exposed.v1.core.Transaction
import org.jetbrains.exposed.v1.core.statements.StatementInterceptor
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.inTopLevelTransaction
import org.slf4j.LoggerFactory
import java.sql.Connection
import java.sql.SQLException
import kotlin.time.TimeSource

/**
 * The form for handlers whose effects are rows of [db]: the block's writes, the jobs it enqueues and the completion of
 * its job are one commit, or nothing is. So they happen once, whatever crashes, pauses or loses its connection.
 *
 * ```
 * handleInTransaction(db) { args ->
 *     Thumbnails.insert { it[imageId] = args.imageId }
 *     publish.enqueue(PublishArgs(args.imageId))
 * }
 * ```
 * The block runs on a thread that may block, in one transaction of its own that is never run twice by Exposed. If it
 * throws, all is undone and the attempt has failed; if it returns after its timeout, or after the grace of a stopping
 * worker, all is undone too. If it commits, rolls back, or catches the error of a nested `transaction { }` (which
 * undoes the outer one too), or if the claim was lost meanwhile, the job is not completed and nothing more is kept.
 * Part of the work can be undone with [savepoint].
 *
 * ### Pitfall
 * What the block does through other connections, files or HTTP is not part of the transaction.
 */
@OptIn(KittiwakeSpi::class)
public fun <A, R> HandlerBinding<A, R>.handleInTransaction(
    db: Database,
    block: context(JdbcTransaction) JobScope.(args: A) -> R,
) {
    handler(TransactionalHandler(this, db, block))
}

@OptIn(KittiwakeSpi::class)
private class TransactionalHandler<A, R>(
    private val binding: HandlerBinding<A, R>,
    private val db: Database,
    private val block: context(JdbcTransaction) JobScope.(args: A) -> R,
) : JobHandler<A, R> {
    override val connections: Int get() = 1
    override val blocks: Boolean get() = true

    override suspend fun JobScope.work(args: A): Outcome<R> {
        val job = this
        val fence = kittiwakeOf(db).fence()
        val started = TimeSource.Monotonic.markNow()
        var isCommitted = false
        try {
            onBlockingThread {
                // Of its own in any case, also when the worker itself was started inside a transaction.
                inTopLevelTransaction(db, readOnly = false) {
                    maxAttempts = 1
                    val jdbc = connection.connection as Connection
                    fence.open(jdbc, job.claim)
                    val result = block(this, job, args)
                    // A statement cannot be interrupted, and a block may swallow that it was: too late is too late.
                    job.ensureActive()
                    val stored = binding.encode(result)
                    beforeCommit {
                        if (!isCommitted) fence.commit(jdbc, job.claim, stored, started.elapsedNow())
                        isCommitted = true
                    }
                }
            }
        } catch (e: Exception) {
            if (!isCommitted) throw e
            // What goes wrong after the commit, or comes too late to interrupt it, changes nothing: the job is completed.
            if (e !is CancellationException) log.warn("{} is completed; a hook after its commit failed", job.claim, e)
        }
        return Outcome.Written
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}

/** Runs [block] at each commit after all others that do something then, such as those that write what is cached. */
private fun JdbcTransaction.beforeCommit(block: () -> Unit) {
    registerInterceptor(
        object : StatementInterceptor {
            override fun beforeCommit(transaction: Transaction): Unit = block()
        },
    )
}

/**
 * Works jobs of [type] by [block], in a transaction of [db]: the form of [HandlerBinding.handleInTransaction] bound in
 * a worker.
 */
@OptIn(KittiwakeSpi::class)
public fun <A : Any, R> WorkerBuilder.handleInTransaction(
    type: JobType<A, R>,
    db: Database,
    block: context(JdbcTransaction) JobScope.(args: A) -> R,
): Unit = bind(type) { handleInTransaction(db, block) }

/**
 * Runs [block] so that, when it throws, just what it wrote is undone: the exception passes on, and the transaction
 * stays usable.
 */
context(tx: JdbcTransaction)
public fun <T> savepoint(block: () -> T): T {
    val jdbc = tx.connection.connection as Connection
    val savepoint = jdbc.setSavepoint()
    val result =
        try {
            block()
        } catch (e: Throwable) {
            // Without its savepoint the transaction is not the one it was: the block's own exception says more.
            try {
                jdbc.rollback(savepoint)
            } catch (gone: SQLException) {
                e.addSuppressed(gone)
            }
            throw e
        }
    jdbc.releaseSavepoint(savepoint)
    return result
}
