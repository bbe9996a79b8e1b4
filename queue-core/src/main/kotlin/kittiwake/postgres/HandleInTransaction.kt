package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.HandlerBinding
import kittiwake.job.JobScope
import kittiwake.job.JobType
import kittiwake.worker.WorkerBuilder
import java.sql.Connection
import javax.sql.DataSource

/**
 * The form for handlers whose effects are rows that [dataSource] reaches: what the block writes on its connection, the
 * jobs it enqueues there and the completion of its job are one commit, or nothing is. So they happen once, whatever
 * crashes, pauses or loses its connection.
 *
 * ```
 * handleInTransaction(kittiwake, pool) { connection, args ->
 *     connection.prepareStatement("insert into thumbnail (image_id) values (?)").use {
 *         it.setLong(1, args.imageId)
 *         it.executeUpdate()
 *     }
 *     kittiwake.enqueue(connection, publish, PublishArgs(args.imageId))
 * }
 * ```
 * [dataSource] must talk to the database that [kittiwake] lives in. The block runs on a thread that may block, on a
 * connection of its own, which is not in auto-commit mode and is closed when the block has ended. If it throws, all is
 * undone and the attempt has failed; if it returns after its timeout, or after the grace of a stopping worker, all is
 * undone too. If it commits or rolls back, or if the claim was lost meanwhile, the job is not completed and nothing
 * more is kept. Part of the work can be undone with a savepoint.
 *
 * The connection is watched, as those of [WatchedDataSource] are: there it says what is slower than the rest.
 *
 * ### Pitfalls
 * - [dataSource] must hand out a connection that nobody else has: what another hand does to its transaction is not seen.
 * - What the block does through other connections, files or HTTP is not part of the transaction.
 * - The isolation and other settings of the connection are those of [dataSource]; what the block changes of them stays
 *   with the connection, unless its pool sets it back.
 */
@OptIn(KittiwakeSpi::class)
public fun <A, R> HandlerBinding<A, R>.handleInTransaction(
    kittiwake: Kittiwake,
    dataSource: DataSource,
    block: JobScope.(connection: Connection, args: A) -> R,
) {
    handler(JdbcHandler(this, kittiwake, dataSource, block))
}

/**
 * Works jobs of [type] by [block], in a transaction on a connection of [dataSource]: the form of
 * [HandlerBinding.handleInTransaction] bound in a worker.
 */
@OptIn(KittiwakeSpi::class)
public fun <A : Any, R> WorkerBuilder.handleInTransaction(
    type: JobType<A, R>,
    kittiwake: Kittiwake,
    dataSource: DataSource,
    block: JobScope.(connection: Connection, args: A) -> R,
): Unit = bind(type) { handleInTransaction(kittiwake, dataSource, block) }

@OptIn(KittiwakeSpi::class)
private class JdbcHandler<A, R>(
    binding: HandlerBinding<A, R>,
    private val kittiwake: Kittiwake,
    dataSource: DataSource,
    private val block: JobScope.(connection: Connection, args: A) -> R,
) : TransactionalHandler<A, R>(binding) {
    private val dataSource = dataSource as? WatchedDataSource ?: WatchedDataSource(dataSource)

    /** Counted are those of the pool that the queue was given. */
    override val connections: Int = if (kittiwake.isPooledWith(dataSource)) 1 else 0

    override fun fence(): ClaimFence = kittiwake.fence()

    override fun transact(attempt: Attempt<A, R>) {
        dataSource.connection.use { connection ->
            val wasAutoCommit = connection.autoCommit
            connection.autoCommit = false
            try {
                val commit = attempt.run(connection) { attempt.job.block(connection, attempt.args) }
                commit()
            } catch (e: Throwable) {
                connection.undo(wasAutoCommit, e)
                throw e
            }
            connection.autoCommit = wasAutoCommit
        }
    }

    /** Some pools hand a connection on as it was left. What could not be rolled back would be committed by the mode. */
    private fun Connection.undo(wasAutoCommit: Boolean, failure: Throwable) {
        try {
            if (!autoCommit) rollback()
            autoCommit = wasAutoCommit
        } catch (e: Exception) {
            failure.addSuppressed(e)
        }
    }
}
