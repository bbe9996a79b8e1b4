package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.Retention
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Completion
import java.sql.Connection
import java.sql.SQLException
import java.util.UUID

/**
 * Ends one job and commits the transaction of its handler, as long as that is still the one that it began with and the
 * job is still its worker's. It is the same if it carries the [mark], or if that is known.
 */
@OptIn(KittiwakeSpi::class)
internal class CompleteJob(schema: Schema, private val retention: Retention) {
    private val mark = NamedSql(MARK_TRANSACTION, schema)
    private val completeKnown = NamedSql(completeJob(), schema)
    private val forgetKnown = NamedSql(forgetJob(), schema)
    private val completeMarked = NamedSql(completeJob(IS_MARKED), schema)
    private val forgetMarked = NamedSql(forgetJob(IS_MARKED), schema)

    fun mark(connection: Connection, marker: String) {
        mark.query(connection, { text("marker", marker) }) {}
    }

    /**
     * Whether it was completed; what else the server says is thrown. If not, it must be rolled back. Without a [marker]
     * the transaction is known to be the same.
     */
    fun execute(connection: Connection, success: Completion.Succeeded, marker: String?): Answer {
        val claim = success.claim
        val statement =
            if (success.isForgotten) {
                if (marker == null) forgetKnown else forgetMarked
            } else {
                if (marker == null) completeKnown else completeMarked
            }
        try {
            statement.execute(connection) {
                this["job_id"] = claim.id.value
                this["lease"] = claim.lease
                this["worker"] = UUID.fromString(claim.worker.value)
                marker?.let { text("marker", it) }
                if (success.isForgotten) return@execute
                this["attempt"] = claim.attempt
                text("result", success.result)
                this["took"] = success.took.inWholeMicroseconds
                bigint("keep_completed", retention.completedMicroseconds)
            }
            return Answer.COMPLETED
        } catch (e: SQLException) {
            val refusal = e.message.orEmpty()
            if (e.sqlState != NOT_A_NUMBER || REFUSAL !in refusal) throw e
            return if (marker == null || "[$marker]" in refusal) Answer.CLAIM_LOST else Answer.OTHER_TRANSACTION
        }
    }

    enum class Answer { COMPLETED, CLAIM_LOST, OTHER_TRANSACTION }
}

private const val NOT_A_NUMBER = "22P02"
private const val REFUSAL = "kittiwake: no such claim in the transaction of"

// Lasts as long as the transaction: a commit or a rollback sets it back.
// language=PostgreSQL
private const val MARK_TRANSACTION = """
/* kittiwake: mark transaction */
select set_config('kittiwake.claim', :marker, true)
"""

// language=PostgreSQL
private const val IS_MARKED = "and current_setting('kittiwake.claim', true) = :marker"

// What may be ended: this job, while it is in its lease. Whoever takes a job out of a lease changes its row. If that
// happens after the lease was looked at, the delete finds another number there than was then, and under repeatable read it
// fails. So handlers that run side by side, all in one lease, lock nothing that is not theirs alone (decision 0041). A
// worker is compared in a way no index serves, as in "end jobs".
// language=PostgreSQL
private fun jobOfClaim(condition: String) = """
    delete from {schema}.job
    where id = :job_id
      $condition
      and taken_back = (select taken_back from {schema}.job where id = :job_id)
      and exists (
          select from {schema}.lease
          where id = :lease
            and worker_id is not distinct from :worker
            and :job_id = any(job_ids)
      )"""

// In a transaction of yours, whose settings are not the engine's. A plan is made when the tables are small, and kept when
// they are large: it would go through them row by row. And a plan for any job looks dearer than those for the first five
// were, when an index is large and few rows are left, as in a queue that was emptied: each job would be planned anew, for
// 100 µs of the server (decision 0042). Before the commit, which may fire triggers, the settings are what they are when your
// session begins; after it, what they were.
private const val BY_KEPT_INDEX_SCANS = """
/* kittiwake: keep plan */
select set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true);"""

// Sent with what comes before, which saves a round trip: the server passes over a commit when that has failed. It fails
// with a text that is no number.
private const val COMMIT_IF_GONE = """
select case
    when exists (select from gone)
    then set_config('enable_seqscan', null, true) || set_config('plan_cache_mode', null, true)
    else ('$REFUSAL [' || coalesce(current_setting('kittiwake.claim', true), '') || ']')::integer::text
end;
commit
"""

// Deletes a job of which nothing is kept. Indexes: job_pkey, lease_pkey.
// language=PostgreSQL
private fun forgetJob(condition: String = "") = """
$BY_KEPT_INDEX_SCANS
/* kittiwake: forget job */
with gone as materialized (
    ${jobOfClaim(condition)}
    returning id
)
$COMMIT_IF_GONE"""

// What "end jobs" does, for one completed job. A statement of one job is mostly its own start: in a transaction with one
// insert, "end jobs" for one job took 560 µs of the processor in all, this 420, "forget job" 360. Sent with the commit and
// by index it was less (decision 0035), and without a lock that handlers share "forget job" takes some 280 (decision 0041).
// Indexes: job_pkey, lease_pkey, attempt_pkey.
// language=PostgreSQL
private fun completeJob(condition: String = "") = """
$BY_KEPT_INDEX_SCANS
/* kittiwake: complete job */
with gone as materialized (
    ${jobOfClaim(condition)}
    returning *
),
past as materialized (
    delete from {schema}.attempt
    where job_id = (select id from gone where :attempt > 1)
    returning attempt, ended_at, error
),
archived as (
    insert into {schema}.archive (id, name, queue, priority, args, ending, result, attempt, max_attempts, failures,
                                  worker_id, took, unique_key, parent_id, metadata, enqueued_at, run_at, ended_at,
                                  keep_until)
    select id, name, queue, priority, args, 'completed', :result, :attempt, max_attempts,
           case when :attempt > 1 then (
               select json_agg(
                   json_build_object('attempt', past.attempt, 'at', past.ended_at, 'error', past.error)
                   order by past.attempt
               )::text
               from past
           ) end,
           :worker, :took * interval '1 microsecond', unique_key, parent_id, metadata, enqueued_at, run_at,
           clock_timestamp(), clock_timestamp() + keep.time
    from gone
    cross join lateral (
        select coalesce(keep_completed, :keep_completed * interval '1 microsecond') as time
    ) as keep
    where keep.time > interval '0'
)
$COMMIT_IF_GONE"""
