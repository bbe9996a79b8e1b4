package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Completion
import java.sql.Connection
import java.util.UUID

/**
 * Ends jobs: their rows leave `job` and come to the archive, in one statement that takes effect only for jobs this
 * worker still holds.
 */
@OptIn(KittiwakeSpi::class)
internal class EndJobs(schema: Schema, private val retention: Retention) {
    private val end = NamedSql(END_JOBS, schema)

    /**
     * Returns the jobs that were not ended, because they are no longer this worker's. [emptied] names the leases of
     * which nothing is left after this.
     */
    fun <E : Completion.End> execute(
        connection: Connection,
        worker: WorkerId,
        jobs: List<E>,
        emptied: Set<Long>,
    ): List<E> = end
        .query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            leases(jobs, emptied)
            this["asked"] = jobs.size
            array("attempts", "int4", jobs.map { it.claim.attempt })
            texts("results", jobs.map { (it as? Completion.Succeeded)?.result })
            texts("errors", jobs.map { (it as? Completion.Discarded)?.error })
            array("took", "int8", jobs.map { it.took.inWholeMicroseconds })
            this["keep_completed"] = retention.completedMicroseconds
            this["keep_failed"] = retention.failedMicroseconds
        }) { row -> notEnded(row, jobs) }
        .single()

    /** Most often all of them are null, and `unnest` makes as many nulls of a null. */
    private fun NamedSql.Binding.texts(name: String, values: List<String?>) {
        if (values.all { it == null }) this[name] = null else array(name, "text", values)
    }
}

// Ends the given jobs that are in a lease of :worker: job rows go, archive rows come, past attempts move with them.
// Who has an error is discarded. Leases named as emptied go in the same statement; the others are locked against
// rescue.
// A worker is compared in a way no index serves: by its id all its dead leases would be walked.
// Indexes: lease_pkey, job_pkey, attempt_pkey.
//
// 500 jobs of which nothing is kept, as the client sees it: 4.6 µs a job with an array for each column and all ids in the
// answer; as it is 3.9; "forget jobs" 2.7 (decision 0028).
// language=PostgreSQL
private const val END_JOBS = """
/* kittiwake: end jobs */
with $HELD_LEASES,
ending as materialized (
    select ending.*
    from unnest(:job_ids::bigint[], :leases::bigint[], :attempts::smallint[], :results::text[], :errors::text[],
                :took::bigint[])
         as ending (job_id, lease, attempt, result, error, took)
    where (lease, job_id) in (select id, job_id from held)
),
gone as materialized (
    delete from {schema}.job
    where id = any(array(select job_id from ending))
    returning *
),
past as materialized (
    delete from {schema}.attempt
    where job_id = any(array(select ending.job_id from ending where ending.attempt > 1))
    returning job_id, attempt, ended_at, error
),
archived as (
    insert into {schema}.archive (id, name, queue, priority, args, ending, result, error, attempt, max_attempts,
                                  failures, worker_id, took, unique_key, parent_id, metadata, enqueued_at, run_at,
                                  ended_at, keep_until)
    select gone.id, gone.name, gone.queue, gone.priority, gone.args,
           case when ending.error is null then 'completed' else 'discarded' end, ending.result, ending.error,
           ending.attempt, gone.max_attempts,
           case when ending.attempt > 1 then (
               select json_agg(
                   json_build_object('attempt', past.attempt, 'at', past.ended_at, 'error', past.error)
                   order by past.attempt
               )::text
               from past
               where past.job_id = gone.id
           ) end,
           :worker, ending.took * interval '1 microsecond',
           gone.unique_key, gone.parent_id, gone.metadata, gone.enqueued_at, gone.run_at,
           clock_timestamp(), clock_timestamp() + keep.time
    from gone
    join ending on ending.job_id = gone.id
    cross join lateral (
        select case
            when ending.error is null then coalesce(gone.keep_completed, :keep_completed * interval '1 microsecond')
            else coalesce(gone.keep_failed, :keep_failed * interval '1 microsecond')
        end as time
    ) as keep
    where keep.time > interval '0'
)
select case when count(*) < :asked then coalesce(array_agg(id), '{}') end as gone
from gone
"""
