package kittiwake.exposed

import kittiwake.KittiwakeSpi
import kittiwake.job.HandlerBinding
import kittiwake.job.JobScope
import kittiwake.job.JobType
import kittiwake.postgres.TransactionalHandler
import kittiwake.worker.WorkerBuilder
import org.jetbrains.exposed.v1.core.Transaction
import org.jetbrains.exposed.v1.core.statements.StatementInterceptor
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.inTopLevelTransaction
import java.sql.Connection
import java.sql.SQLException

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
    handler(ExposedHandler(this, db, block))
}

@OptIn(KittiwakeSpi::class)
private class ExposedHandler<A, R>(
    binding: HandlerBinding<A, R>,
    private val db: Database,
    private val block: context(JdbcTransaction) JobScope.(args: A) -> R,
) : TransactionalHandler<A, R>(binding) {
    override fun fence() = kittiwakeOf(db).fence()

    override fun transact(attempt: Attempt<A, R>) {
        // Of its own in any case, also when the worker itself was started inside a transaction.
        inTopLevelTransaction(db, readOnly = false) {
            maxAttempts = 1
            beforeCommit(attempt.run(connection.connection as Connection) { block(this, attempt.job, attempt.args) })
        }
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
