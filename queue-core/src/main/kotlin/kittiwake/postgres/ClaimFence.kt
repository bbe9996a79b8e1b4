package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.Retention
import kittiwake.postgres.statement.CompleteJob
import kittiwake.store.Completion
import java.sql.Connection
import kotlin.time.Duration

/**
 * Completes a job inside the transaction of its handler, so that the handler's writes and the completion are one commit
 * or nothing.
 *
 * [open] marks the transaction; [close] must be its last statement. A commit or rollback in between erases the mark,
 * and a claim that is no longer ours matches nothing: either way [close] throws, and the caller rolls back.
 */
@KittiwakeSpi
public class ClaimFence internal constructor(schema: Schema, retention: Retention) {
    private val completeJob = CompleteJob(schema, retention)

    /** The first statement of the handler's transaction. */
    public fun open(connection: Connection, claim: ClaimedJob) {
        completeJob.mark(connection, marker(claim))
    }

    /**
     * The last statement of the handler's transaction: completes the job with [result], or throws an
     * [IllegalStateException] that says why not.
     */
    public fun close(connection: Connection, claim: ClaimedJob, result: String?, took: Duration) {
        val success = Completion.Succeeded(claim, took, result)
        if (completeJob.execute(connection, success, marker(claim))) return
        check(completeJob.readMark(connection) == marker(claim)) {
            "The transaction of the handler of $claim is not the one that it began with: the handler, " +
                "or a nested transaction { } whose error it caught, has committed or rolled back. " +
                "The job is not completed; what was committed before stays"
        }
        error("The claim on $claim was lost while its handler ran: nothing of its transaction is kept")
    }

    private fun marker(claim: ClaimedJob) = "${claim.lease}/${claim.id}"
}
