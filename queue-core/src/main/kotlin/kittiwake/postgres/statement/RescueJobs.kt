package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.SUSPECT_AFTER
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.postgres.isRefusal
import kittiwake.store.Rescued
import kittiwake.store.SILENT
import kittiwake.store.parked
import java.sql.Connection
import java.sql.SQLException
import java.util.UUID
import kotlin.time.Duration

/** Takes back the jobs of silent workers. */
@OptIn(KittiwakeSpi::class)
internal class RescueJobs(schema: Schema, private val retention: Retention, private val crashLimit: Int?) {
    private val rescue = NamedSql(RESCUE_JOBS, schema)

    fun execute(connection: Connection, silentFor: Duration?, limit: Int, by: WorkerId?): List<Rescued> =
        takeBack(connection, silentFor, limit, by, endsJobs = true)

    /**
     * A job whose end the server refuses must not keep the others from being taken back: they come one claim at a time,
     * and those of its own claim go back to their queues, though they should end. Who claims one whose attempts are
     * used up ends it, or says why not.
     */
    private fun takeBack(
        connection: Connection,
        silentFor: Duration?,
        limit: Int,
        by: WorkerId?,
        endsJobs: Boolean,
    ): List<Rescued> = try {
        rescue.query(connection, {
            this["silent_for"] = silentFor?.inWholeMicroseconds
            this["limit"] = limit
            this["by"] = by?.let { UUID.fromString(it.value) }
            this["ends_jobs"] = endsJobs
            this["keep_failed"] = retention.failedMicroseconds
            this["suspect_after"] = SUSPECT_AFTER
            this["crash_limit"] = crashLimit
            this["silent"] = SILENT
            this["parked"] = parked(crashLimit)
        }) {
            Rescued(
                JobId(it.getLong("job_id")), it.getString("name"), QueueName(it.getString("queue")),
                it.getInt("attempt"), it.getBoolean("over"),
            )
        }
    } catch (e: SQLException) {
        if (!e.isRefusal || !endsJobs) throw e
        takeBack(connection, silentFor, 1, by, endsJobs = limit > 1)
    }
}

// Takes up to :limit leases of workers that have been silent for :silent_for, or for their lease, re-checked under
// their locks: the worker is ended first, and a worker that beats in this moment is left alone. After a start of the
// server everybody gets that time to speak first. A statement that comes late, for the server or the network stood
// still, finds :by as silent as everybody else, and ends nobody.
//
// Nobody waits for a transaction of somebody else's, which may wait for something in turn. A lease with a job that a
// handler's transaction is ending at this moment, or that somebody changes by hand, is left for the next time.
//
// Who is to blame is decided once, when the worker is ended and all its leases are still there: the suspect that it
// ran, or else all aboard, but not the suspects that waited for their turn. Nobody is when it left or was asked to stop.
//
// The attempt counts, unless its worker had left before: that ran all that it knew of. Jobs whose attempts are used up, or
// that are to blame :crash_limit times, are discarded, if :ends_jobs says so, and no open transaction has a row that refers
// to them. Those go back to their queues.
// Indexes: worker_pkey, lease_worker_idx, job_pkey, attempt_pkey. To take back ten thousand jobs in a hundred leases takes
// 258 to 277 ms without the wait for the disk; to change their rows, so that no handler needs a lock, is 70 of that (decision 0041).
// language=PostgreSQL
private const val RESCUE_JOBS = """
/* kittiwake: rescue jobs */
with rescuer as materialized (
    select lease, ended_at is null and seen_at > clock_timestamp() - lease / 2 as is_in_contact
    from {schema}.worker
    where id = :by::uuid
),
silent as materialized (
    update {schema}.worker
    set ended_at = clock_timestamp(),
        blame = case
            when stop_requested_at is not null then null
            when exists (
                select
                from {schema}.lease
                where lease.worker_id = worker.id
                  and lease.suspect = any(lease.job_ids)
                  and exists (select from {schema}.job where job.id = lease.suspect)
            ) then 'the suspect'
            else 'all aboard'
        end
    where id = any(array(
        select id
        from {schema}.worker
        where ended_at is null
          and greatest(seen_at, pg_postmaster_start_time())
              <= clock_timestamp() - coalesce(
                  :silent_for::bigint * interval '1 microsecond',
                  greatest(lease, (select lease from rescuer))
              )
          and (:by::uuid is null or (select is_in_contact from rescuer))
        for update skip locked
    ))
    returning id, blame
),
dead as materialized (
    select id, blame, false as has_left from silent
    union all
    select id, blame, has_left from {schema}.worker where ended_at is not null
),
withdrawn as (
    delete from {schema}.offer
    where ctid = any(array(
        select ctid
        from {schema}.offer
        where worker_id = any(array(select id from dead))
        for update skip locked
    ))
),
dropped as materialized (
    delete from {schema}.lease
    where id = any(array(
        select id
        from (
            select id, job_ids
            from {schema}.lease
            where worker_id = any(array(select id from dead))
            for update skip locked
        ) as lease
        where (
            select count(*)
            from (
                select
                from {schema}.job
                where id = any(lease.job_ids)
                for no key update skip locked
            ) as at_rest
        ) = (select count(*) from {schema}.job where id = any(lease.job_ids))
        limit :limit
    ))
    returning worker_id, job_ids, attempts, suspect
),
aboard as materialized (
    select dropped.worker_id, entry.job_id, entry.attempt, job.*, past.crashes,
           case (select dead.blame from dead where dead.id = dropped.worker_id)
               when 'the suspect' then entry.job_id is not distinct from dropped.suspect
               when 'all aboard' then past.crashes < :suspect_after
               else false
           end as blamed,
           (select dead.has_left from dead where dead.id = dropped.worker_id) as never_started
    from dropped
    cross join lateral unnest(dropped.job_ids, dropped.attempts) as entry (job_id, attempt)
    cross join lateral (
        select name, queue, priority, expected_at, max_attempts
        from {schema}.job
        where id = entry.job_id
        for no key update
    ) as job
    cross join lateral (
        select case
            when entry.attempt > 1 then (
                select count(*)
                from {schema}.attempt
                where attempt.job_id = entry.job_id
                  and attempt.crashed
            )
            else 0
        end as crashes
    ) as past
),
judged as materialized (
    select aboard.*, (blamed and crashes + 1 >= :crash_limit::int) is true as parked
    from aboard
),
lost as materialized (
    select judged.*,
           case when :ends_jobs and not never_started and (parked or attempt >= max_attempts) then exists (
               select
               from {schema}.job
               where id = judged.job_id
               for update skip locked
           ) else false end as over
    from judged
),
back as materialized (
    select * from lost where not over
),
$TAKEN_BACK,
noted as (
    insert into {schema}.attempt (job_id, attempt, worker_id, error, crashed)
    select job_id, attempt, worker_id, :silent, blamed
    from back
    where not never_started
    on conflict do nothing
),
ready_now as (
    insert into {schema}.ready (queue, lane, rank, job_id, attempt)
    select queue, -priority, {schema}.rank(expected_at), job_id, attempt - never_started::int
    from back
),
gone as materialized (
    delete from {schema}.job
    where id = any(array(select job_id from lost where over))
    returning *
),
past as materialized (
    delete from {schema}.attempt
    where job_id = any(array(select id from gone))
    returning job_id, attempt, ended_at, error
),
archived as (
    insert into {schema}.archive (id, name, queue, priority, args, ending, error, attempt, max_attempts, failures,
                                  worker_id, unique_key, parent_id, metadata, enqueued_at, run_at, ended_at, keep_until)
    select gone.id, gone.name, gone.queue, gone.priority, gone.args, 'discarded',
           case when lost.parked then :parked else :silent end,
           lost.attempt, gone.max_attempts,
           (select json_agg(
                json_build_object('attempt', attempt, 'at', ended_at, 'error', error)
                order by attempt
            )::text
            from past
            where past.job_id = gone.id),
           lost.worker_id, gone.unique_key, gone.parent_id, gone.metadata, gone.enqueued_at, gone.run_at,
           clock_timestamp(), clock_timestamp() + keep.time
    from gone
    join lost on lost.job_id = gone.id
    cross join lateral (select coalesce(gone.keep_failed, :keep_failed * interval '1 microsecond') as time) as keep
    where keep.time > interval '0'
)
select job_id, name, queue, attempt, over from lost
"""
