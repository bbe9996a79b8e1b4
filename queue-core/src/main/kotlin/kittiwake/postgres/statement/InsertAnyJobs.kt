package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.JobId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Inserted
import java.sql.Connection

/** Stores jobs that have nothing in common. */
@OptIn(KittiwakeSpi::class)
internal class InsertAnyJobs(schema: Schema) {
    private val insert = NamedSql(INSERT_ANY_JOBS, schema)

    /** Returns their ids in order; null where an unfinished job has the key. */
    fun execute(connection: Connection, jobs: List<NewJob>, wake: Wake): List<Inserted?> = insert.query(connection, {
        array("names", "text", jobs.map { it.name.value })
        array("queues", "text", jobs.map { it.queue.value })
        array("priorities", "int4", jobs.map { it.priority })
        array("args", "text", jobs.map { it.args })
        array("max_attempts", "int4", jobs.map { it.maxAttempts })
        array("delays", "int8", jobs.map { it.delay?.inWholeMicroseconds })
        array("run_ats", "text", jobs.map { it.runAt?.toString() })
        array("expected_ats", "text", jobs.map { it.expectedAt?.toString() })
        array("unique_keys", "text", jobs.map { it.uniqueKey })
        array("parents", "int8", jobs.map { it.parent?.value })
        array("metadata", "text", jobs.map { it.metadata })
        array("keep_completed", "int8", jobs.map { it.retention?.completedMicroseconds })
        array("keep_failed", "int8", jobs.map { it.retention?.failedMicroseconds })
        this["wake"] = wake.notifies
    }) { row -> row.longOrNull("id")?.let { Inserted(JobId(it), isNew = true) } }
}

// Stores jobs in the order given, and their tickets: in ready, or in scheduled while they are not due. Conflicts come
// back without an id. Sorted by key, so that two transactions that store the same keys wait for each other in one
// order. An array for each column is what it takes when the jobs differ, and almost twice as much as for jobs that do
// not: what was measured is said at "insert like jobs".
// language=PostgreSQL
private val INSERT_ANY_JOBS = """
/* kittiwake: insert any jobs */
with input as materialized (
    select nextval('{schema}.job_id_seq') as id,
           i.name, i.queue, i.priority, i.args, i.max_attempts, i.unique_key, i.parent_id, i.metadata, i.position,
           coalesce(i.run_at::timestamptz, statement_timestamp() + i.delay * interval '1 microsecond') as run_at,
           i.expected_at::timestamptz as expected_at,
           i.keep_completed * interval '1 microsecond' as keep_completed,
           i.keep_failed * interval '1 microsecond' as keep_failed
    from unnest(:names::text[], :queues::text[], :priorities::int[], :args::text[], :max_attempts::int[],
                :delays::bigint[], :run_ats::text[], :expected_ats::text[], :unique_keys::text[], :parents::bigint[],
                :metadata::text[], :keep_completed::bigint[], :keep_failed::bigint[])
         with ordinality as i (name, queue, priority, args, max_attempts, delay, run_at, expected_at, unique_key,
                               parent_id, metadata, keep_completed, keep_failed, position)
),
stored as (
    insert into {schema}.job (id, name, queue, priority, args, max_attempts, run_at, expected_at, unique_key, parent_id,
                              metadata, keep_completed, keep_failed, by_hand)
    select id, name, queue, priority, args, max_attempts, run_at, expected_at, unique_key, parent_id, metadata,
           keep_completed, keep_failed, false
    from input
    order by unique_key nulls first, position
    on conflict (name, unique_key) where unique_key is not null do nothing
    returning id, queue, priority, run_at, expected_at
),
$TICKETS_OF_STORED
select stored.id,
       (select count({schema}.wake(q.queue)) from (select distinct queue from stored) q where :wake) as woken
from input
left join stored on stored.id = input.id
order by input.position
"""
