package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.Retention
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Completion
import java.sql.Connection
import java.util.UUID

/**
 * Ends one job in the transaction of its handler, as long as that is still the transaction that [mark] named and the
 * job is still its worker's.
 */
@OptIn(KittiwakeSpi::class)
internal class CompleteJob(schema: Schema, private val retention: Retention) {
    private val mark = NamedSql(MARK_TRANSACTION, schema)
    private val read = NamedSql(READ_MARK, schema)
    private val complete = NamedSql(COMPLETE_JOB, schema)
    private val forget = NamedSql(FORGET_JOB, schema)

    fun mark(connection: Connection, marker: String) {
        mark.query(connection, { text("marker", marker) }) {}
    }

    fun readMark(connection: Connection): String? = read.query(connection) { it.getString("marker") }.single()

    /** Returns whether it was ended. */
    fun execute(connection: Connection, success: Completion.Succeeded, marker: String): Boolean {
        val claim = success.claim
        val statement = if (success.isForgotten) forget else complete
        return statement
            .query(connection, {
                this["job_id"] = claim.id.value
                this["lease"] = claim.lease
                this["worker"] = UUID.fromString(claim.worker.value)
                text("marker", marker)
                if (success.isForgotten) return@query
                this["attempt"] = claim.attempt
                text("result", success.result)
                this["took"] = success.took.inWholeMicroseconds
                bigint("keep_completed", retention.completedMicroseconds)
            }) { true }
            .isNotEmpty()
    }
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

// What may be ended: the job of this transaction's mark, while it is in its lease, which is locked against rescue. A worker
// is compared in a way no index serves, as in "end jobs".
// language=PostgreSQL
private const val JOB_OF_MARK = """
    delete from {schema}.job
    where id = :job_id
      and current_setting('kittiwake.claim', true) = :marker
      and exists (
          select from {schema}.lease
          where id = :lease
            and worker_id is not distinct from :worker
            and :job_id = any(job_ids)
          for key share
      )"""

// Deletes a job of which nothing is kept. Indexes: job_pkey, lease_pkey.
// language=PostgreSQL
private const val FORGET_JOB = """
/* kittiwake: forget job */
$JOB_OF_MARK
returning id
"""

// What "end jobs" does, for one completed job. A statement of one job is mostly its own start: in a transaction with one
// insert, "end jobs" for one job takes 560 µs of the processor in all, this 420, "forget job" 360.
// Indexes: job_pkey, lease_pkey, attempt_pkey.
// language=PostgreSQL
private const val COMPLETE_JOB = """
/* kittiwake: complete job */
with gone as materialized (
    $JOB_OF_MARK
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
select id from gone
"""
