package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.postgres.statement.EndJobs
import kittiwake.postgres.statement.ForgetJobs
import kittiwake.postgres.statement.ReturnJobs
import kittiwake.postgres.statement.WrittenBefore
import kittiwake.store.Completion
import java.sql.Connection

/** Writes how attempts ended, each batch by the leanest statement that will do, and says of which nothing was written. */
@OptIn(KittiwakeSpi::class)
internal class Completions(schema: Schema, retention: Retention) {
    private val endJobs = EndJobs(schema, retention)
    private val forgetJobs = ForgetJobs(schema)
    private val returnJobs = ReturnJobs(schema)
    private val writtenBefore = WrittenBefore(schema)

    fun end(
        connection: Connection,
        worker: WorkerId,
        jobs: List<Completion.End>,
        closing: OpenLeases.Closing,
    ): Set<JobId> {
        val notEnded =
            if (jobs.all { it.isForgotten }) {
                forgetJobs.execute(connection, worker, jobs, closing.emptied)
            } else {
                endJobs.execute(connection, worker, jobs, closing.emptied)
            }
        closing.settle()
        return lost(connection, worker, notEnded)
    }

    fun putBack(
        connection: Connection,
        worker: WorkerId,
        jobs: List<Completion.Return>,
        closing: OpenLeases.Closing,
    ): Set<JobId> {
        val returned = returnJobs.execute(connection, worker, jobs, closing.emptied)
        closing.settle()
        return lost(connection, worker, jobs.filter { it.claim.id !in returned })
    }

    fun completedAnyway(connection: Connection, worker: WorkerId, claims: List<ClaimedJob>): Set<JobId> =
        writtenBefore.execute(connection, worker, claims).filterValues { it == "completed" }.keys

    /** Of completions that changed nothing: those that had not been written before either. */
    private fun lost(connection: Connection, worker: WorkerId, idle: List<Completion>): Set<JobId> {
        if (idle.isEmpty()) return emptySet()
        val before = writtenBefore.execute(connection, worker, idle.map { it.claim })
        return idle.filter { it.trace == null || before[it.claim.id] != it.trace }.mapTo(mutableSetOf()) { it.claim.id }
    }

    private val Completion.trace: String?
        get() =
            when (this) {
                is Completion.Succeeded -> "completed"
                is Completion.Discarded -> "discarded"
                is Completion.Failed -> "failed"
                is Completion.Settled, is Completion.Snoozed, is Completion.Released -> null
            }
}
