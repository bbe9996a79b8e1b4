package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.JobId
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Completion
import java.sql.Connection
import java.util.UUID
import kotlin.time.Duration

/**
 * Puts jobs back to run again: their tickets leave the lease for `scheduled`, or for `ready` when there is nothing to
 * wait for.
 */
@OptIn(KittiwakeSpi::class)
internal class ReturnJobs(schema: Schema) {
    private val putBack = NamedSql(RETURN_JOBS, schema)

    /** Returns the jobs that were put back. [emptied] names the leases of which nothing is left after this. */
    fun execute(
        connection: Connection,
        worker: WorkerId,
        jobs: List<Completion.Return>,
        emptied: Set<Long>,
    ): Set<JobId> = putBack
        .query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            array("touched", "int8", jobs.map { it.claim.lease }.distinct())
            array("emptied", "int8", emptied.toList())
            array("job_ids", "int8", jobs.map { it.claim.id.value })
            array("leases", "int8", jobs.map { it.claim.lease })
            array("made", "int4", jobs.map { if (it is Completion.Failed) it.claim.attempt else it.claim.attempt - 1 })
            array("delays", "int8", jobs.map { it.delay.inWholeMicroseconds })
            array("released", "bool", jobs.map { it is Completion.Released })
            array("errors", "text", jobs.map { (it as? Completion.Failed)?.error })
            array("took", "int8", jobs.map { it.took.inWholeMicroseconds })
        }) { JobId(it.getLong("job_id")) }
        .toSet()

    private val Completion.Return.delay: Duration
        get() =
            when (this) {
                is Completion.Failed -> delay
                is Completion.Snoozed -> delay
                is Completion.Released -> Duration.ZERO
            }
}

// Moves the tickets of the given jobs out of leases of :worker, with the attempts made so far, and keeps what failed.
// What is released was at the head and goes back there: rank -1 is behind expected times and before all transactions.
// A job that was cancelled meanwhile has no row any more and stays out. Indexes: lease_pkey, job_pkey.
//
// Among a million jobs, medians of 31 without the wait for the disk: a thousand that failed, in ten leases which they
// empty, take 16.4 to 18.5 ms; released ones 13.4 to 13.8. Without a change of their rows it was 12.6 to 13.5 and 7.9 to 9.7.
// language=PostgreSQL
private const val RETURN_JOBS = """
/* kittiwake: return jobs */
with held as materialized (
    select id, job_ids
    from {schema}.lease
    where id = any(:touched::bigint[])
      and worker_id is not distinct from :worker
    for update
),
returning_jobs as materialized (
    select back.*
    from unnest(:job_ids::bigint[], :leases::bigint[], :made::smallint[], :delays::bigint[], :released::boolean[],
                :errors::text[], :took::bigint[])
         as back (job_id, lease, made, delay, released, error, took)
    where (lease, job_id) in (select id, unnest(job_ids) from held)
),
back as materialized (
    select r.*, job.queue, job.priority, job.expected_at
    from returning_jobs r
    cross join lateral (
        select queue, priority, expected_at
        from {schema}.job
        where id = r.job_id
        for no key update
    ) as job
),
$TAKEN_BACK,
shrunk as (
    update {schema}.lease
    set (job_ids, attempts) = (
        select coalesce(array_agg(entry.job_id), '{}'), coalesce(array_agg(entry.attempt), '{}')
        from unnest(lease.job_ids, lease.attempts) as entry (job_id, attempt)
        where entry.job_id <> all(array(select r.job_id from returning_jobs r where r.lease = lease.id))
    )
    where id = any(array(select id from held))
      and id <> all(:emptied::bigint[])
),
dropped as (
    delete from {schema}.lease
    where id = any(array(select id from held))
      and id = any(:emptied::bigint[])
),
noted as (
    insert into {schema}.attempt (job_id, attempt, worker_id, took, error)
    select job_id, made, :worker, took * interval '1 microsecond', error
    from back
    where error is not null
    on conflict do nothing
),
ready_now as (
    insert into {schema}.ready (queue, lane, rank, job_id, attempt)
    select queue, -priority,
           case when released and expected_at is null then -1 else {schema}.rank(expected_at) end,
           job_id, made
    from back
    where delay <= 0
),
put_off as (
    insert into {schema}.scheduled (job_id, queue, run_at, priority, expected_at, attempt)
    select job_id, queue, clock_timestamp() + delay * interval '1 microsecond', priority, expected_at, made
    from back
    where delay > 0
)
select job_id from back
"""
