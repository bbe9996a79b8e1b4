package kittiwake.postgres.statement

import kittiwake.job.JobId
import kittiwake.job.Retention
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import java.sql.Connection
import kotlin.time.Duration.Companion.days

/** Calls a job off: its row goes, wherever its ticket lies, and with it the right of anybody to write about it. */
internal class CancelJob(schema: Schema, private val retention: Retention) {
    private val cancel = NamedSql(CANCEL_JOB, schema)

    /** True when there was such an unfinished job, which nobody has put back at this moment: else it is to be asked again. */
    fun execute(connection: Connection, id: JobId): Boolean = cancel
        .query(connection, {
            this["id"] = id.value
            this["keep_failed"] = maxOf(retention.failed, 1.days).inMicroseconds()
        }) { it.getLong("id") }
        .isNotEmpty()
}

// The job's row is the job: without it a claim drops the ticket, a completion is refused, a rescue passes it by. It is
// always kept for a day at least, for a worker that runs it asks the archive why it is gone. Who had to wait for somebody
// who put it back does not see what that one has written of it, and leaves it alone. Indexes: job_pkey, attempt_pkey,
// scheduled_pkey. Leases are few: one row a batch.
// language=PostgreSQL
private const val CANCEL_JOB = """
/* kittiwake: cancel job */
with gone as materialized (
    delete from {schema}.job
    where id = :id
      and taken_back = (select taken_back from {schema}.job where id = :id)
    returning *
),
held as materialized (
    select attempts[array_position(job_ids, :id)] as attempt
    from {schema}.lease
    where :id = any(job_ids)
),
unscheduled as (
    delete from {schema}.scheduled
    where job_id = (select id from gone)
    returning attempt
),
past as materialized (
    delete from {schema}.attempt
    where job_id = (select id from gone)
    returning attempt, ended_at, error
),
archived as (
    insert into {schema}.archive (id, name, queue, priority, args, ending, attempt, max_attempts, failures,
                                  unique_key, parent_id, metadata, enqueued_at, run_at, ended_at, keep_until)
    select id, name, queue, priority, args, 'cancelled',
           coalesce((select attempt from held), (select attempt from unscheduled), (select max(attempt) from past), 0),
           max_attempts,
           (select json_agg(
                json_build_object('attempt', attempt, 'at', ended_at, 'error', error)
                order by attempt
            )::text
            from past),
           unique_key, parent_id, metadata, enqueued_at, run_at, clock_timestamp(),
           clock_timestamp() + greatest(
               keep_failed,
               case when keep_failed is null then :keep_failed * interval '1 microsecond' else interval '1 day' end
           )
    from gone
)
select id from gone
"""
