package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.JobId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Inserted
import java.sql.Connection

/** Stores one job that may run at once and has no key that could be taken: what most transactions enqueue. */
@OptIn(KittiwakeSpi::class)
internal class InsertPlainJob(schema: Schema) {
    private val insert = NamedSql(INSERT_PLAIN_JOB, schema)

    fun execute(connection: Connection, job: NewJob, wake: Wake): Inserted = insert
        .query(connection, {
            commonFacts(job)
            this["args"] = job.args
            wake(wake, job)
        }) { Inserted(JobId(it.getLong(1)), isNew = true, isHandedOver = it.getBoolean(2)) }
        .single()
}

// Stores the job, and its ticket in ready, unless it is handed over to a worker that sleeps.
//
// Scalars, and one branch. Four producers, nobody asleep: 308 µs of the server a job with its commit, where bare SQL that
// inserts the same rows takes 276, and 95 % of its pace (benchmark "enqueue", two shared cores, PostgreSQL 18.6). To look
// whether somebody sleeps is 1 µs of that; to hand the job over is some 150 more (decision 0044).
// language=PostgreSQL
private const val INSERT_PLAIN_JOB = """
/* kittiwake: insert plain job */
with stored as (
    insert into {schema}.job (name, queue, priority, args, max_attempts, parent_id, metadata, keep_completed,
                              keep_failed, by_hand)
    values (:name, :queue, :priority, :args, :max_attempts, :parent, :metadata,
            :keep_completed::bigint * interval '1 microsecond', :keep_failed::bigint * interval '1 microsecond', false)
    returning id, queue, priority
),
handed_over as materialized (
    select id
    from stored
    where :hands_over::boolean
      and {schema}.hand_over(:queue, id, :notifies::boolean)
),
issued as (
    insert into {schema}.ready (queue, lane, rank, job_id, attempt)
    select queue, -priority, (select {schema}.rank(null)), id, 0
    from stored
    where not exists (select from handed_over)
)
select id, exists (select from handed_over) as is_handed_over,
       (select {schema}.wake(:queue) where :notifies::boolean and not :hands_over::boolean) as woken
from stored
"""
