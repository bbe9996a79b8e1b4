package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.JobId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Inserted
import java.sql.Connection

/** Stores one job of any kind. */
@OptIn(KittiwakeSpi::class)
internal class InsertOneJob(schema: Schema) {
    private val insert = NamedSql(INSERT_ONE_JOB, schema)

    /** Null when an unfinished job has its key. */
    fun execute(connection: Connection, job: NewJob, wake: Wake): Inserted? = insert
        .query(connection, {
            commonFacts(job)
            this["args"] = job.args
            bigint("delay", job.delay?.inWholeMicroseconds)
            text("run_at", job.runAt?.toString())
            text("expected_at", job.expectedAt?.toString())
            text("unique_key", job.uniqueKey)
            wake(wake, job)
        }) { Inserted(JobId(it.getLong(1)), isNew = true, isHandedOver = it.getBoolean(2)) }
        .firstOrNull()
}

// Stores the job and its ticket: in ready, unless it is handed over to a worker that sleeps, or in scheduled while it is
// not due. A conflict comes back without a row.
// Scalars rather than arrays of one: 170 µs of the server a job with its commit, against 238 by INSERT_ANY_JOBS.
// language=PostgreSQL
private val INSERT_ONE_JOB = """
/* kittiwake: insert one job */
with stored as (
    insert into {schema}.job (name, queue, priority, args, max_attempts, run_at, expected_at, unique_key, parent_id,
                              metadata, keep_completed, keep_failed, by_hand)
    values (:name, :queue, :priority, :args, :max_attempts,
            coalesce(:run_at::text::timestamptz, statement_timestamp() + :delay::bigint * interval '1 microsecond'),
            :expected_at::text::timestamptz, :unique_key, :parent, :metadata,
            :keep_completed::bigint * interval '1 microsecond', :keep_failed::bigint * interval '1 microsecond', false)
    on conflict (name, unique_key) where unique_key is not null do nothing
    returning id, queue, priority, run_at, expected_at
),
handed_over as materialized (
    select id
    from stored
    where (run_at is null or run_at <= statement_timestamp())
      and :hands_over::boolean
      and {schema}.hand_over(:queue, id, :notifies::boolean)
),
$TICKETS_OF_ONE_STORED
select id, exists (select from handed_over) as is_handed_over,
       (
           select {schema}.wake(:queue)
           where :notifies::boolean
             and (not :hands_over::boolean or run_at > statement_timestamp())
       ) as woken
from stored
"""
