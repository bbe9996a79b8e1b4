package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.Retention
import kittiwake.postgres.statement.CompleteJob
import kittiwake.postgres.statement.CompleteJob.Answer
import kittiwake.store.Completion
import java.sql.Connection
import kotlin.time.Duration

/**
 * Completes a job inside the transaction of its handler, so that the handler's writes and the completion are one commit
 * or nothing.
 *
 * [open] marks the transaction, [commit] ends it. A commit or rollback in between erases the mark, and a claim that is
 * no longer ours matches nothing: either way [commit] throws, and the caller rolls back.
 *
 * A connection of a [WatchedDataSource] sees what could erase the mark: there it is made just before, if at all.
 */
@KittiwakeSpi
public class ClaimFence internal constructor(schema: Schema, retention: Retention) {
    private val completeJob = CompleteJob(schema, retention)

    /** Before the first statement of the handler's transaction, on a connection that is not in auto-commit mode. */
    public fun open(connection: Connection, claim: ClaimedJob) {
        check(!connection.autoCommit) {
            "The handler of $claim needs a transaction, but its connection is in auto-commit mode. " +
                "Call setAutoCommit(false) first"
        }
        val watched = connection.watched()
        val mark = { completeJob.mark(watched ?: connection, marker(claim)) }
        if (watched == null) mark() else watched.beforeEnd(mark)
    }

    /**
     * The last statement of the handler's transaction: completes the job with [result] and commits, in one round trip,
     * or throws an [IllegalStateException] that says why not. A `commit()` after it finds nothing to do.
     */
    public fun commit(connection: Connection, claim: ClaimedJob, result: String?, took: Duration) {
        val success = Completion.Succeeded(claim, took, result)
        val isKnown = connection.watched()?.isTheSame() == true
        when (completeJob.execute(connection, success, if (isKnown) null else marker(claim))) {
            Answer.COMPLETED -> return
            Answer.CLAIM_LOST ->
                error("The claim on $claim was lost while its handler ran: nothing of its transaction is kept")
            Answer.OTHER_TRANSACTION ->
                error(
                    "The transaction of the handler of $claim is not the one that it began with: the handler, " +
                        "or a nested transaction { } whose error it caught, has committed or rolled back. " +
                        "The job is not completed; what was committed before stays",
                )
        }
    }

    private fun marker(claim: ClaimedJob) = "${claim.lease}/${claim.id}"
}
