package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.Retention
import kittiwake.postgres.statement.EndJobs
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
    private val mark = NamedSql(MARK_TRANSACTION, schema)
    private val read = NamedSql(READ_MARK, schema)
    private val endJobs = EndJobs(schema, retention)

    /** The first statement of the handler's transaction. */
    public fun open(connection: Connection, claim: ClaimedJob) {
        mark.query(connection, { this["marker"] = marker(claim) }) {}
    }

    /**
     * The last statement of the handler's transaction: completes the job with [result], or throws an
     * [IllegalStateException] that says why not.
     */
    public fun close(connection: Connection, claim: ClaimedJob, result: String?, took: Duration) {
        val success = Completion.Succeeded(claim, took, result)
        if (endJobs.execute(connection, claim.worker, listOf(success), emptySet(), marker(claim)).isEmpty()) return
        val found = read.query(connection) { it.getString("marker") }.single()
        check(found == marker(claim)) {
            "The transaction of the handler of $claim is not the one that it began with: the handler, " +
                "or a nested transaction { } whose error it caught, has committed or rolled back. " +
                "The job is not completed; what was committed before stays"
        }
        error("The claim on $claim was lost while its handler ran: nothing of its transaction is kept")
    }

    private fun marker(claim: ClaimedJob) = "${claim.lease}/${claim.id}"
}

// Lasts as long as the transaction: a commit or a rollback sets it back.
// language=PostgreSQL
private const val MARK_TRANSACTION = """
/* kittiwake: mark transaction */
select set_config('kittiwake.claim', :marker, true)
"""

// language=PostgreSQL
private const val READ_MARK = """
/* kittiwake: read mark */
select current_setting('kittiwake.claim', true) as marker
"""
