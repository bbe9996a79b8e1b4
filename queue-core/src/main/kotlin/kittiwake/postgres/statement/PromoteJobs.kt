package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Promotion
import java.sql.Connection
import kotlin.time.Duration.Companion.microseconds

/** Makes due jobs of a queue ready. */
@OptIn(KittiwakeSpi::class)
internal class PromoteJobs(schema: Schema) {
    private val promote = NamedSql(PROMOTE_JOBS, schema)

    fun execute(connection: Connection, queue: QueueName, limit: Int): Promotion = promote
        .query(connection, {
            this["queue"] = queue.value
            this["limit"] = limit
        }) { Promotion(it.getInt("moved"), it.longOrNull("next_due_in")?.microseconds) }
        .single()
}

// Moves up to :limit due tickets from scheduled to ready, and says when the next one is due. It joins its lane at the
// end: a job that waited for its time is not served before those that waited in the queue. Index: scheduled_due_idx.
//
// With 500,000 scheduled, medians of 31 without the wait for the disk: a thousand take 3.8 to 4.5 ms, deleted by job_id
// 4.1; to say when the next is due is 0.1 to 0.6 of it, and as a statement of its own 0.11 to 0.13. None due: 0.15 to 0.23.
// language=PostgreSQL
private const val PROMOTE_JOBS = """
/* kittiwake: promote jobs */
with due as materialized (
    select ctid as place
    from {schema}.scheduled
    where queue = :queue
      and run_at <= statement_timestamp()
    order by queue, run_at, job_id
    limit :limit
    for update skip locked
),
moved as materialized (
    delete from {schema}.scheduled
    where ctid = any(array(select place from due))
    returning job_id, queue, run_at, priority, expected_at, attempt
),
ready_now as (
    insert into {schema}.ready (queue, lane, rank, job_id, attempt)
    select queue, -priority, {schema}.rank(expected_at), job_id, attempt
    from moved
    order by run_at, job_id
)
select (select count(*) from moved) as moved,
       (
           select (extract(epoch from run_at - clock_timestamp()) * 1000000)::bigint
           from {schema}.scheduled
           where queue = :queue
             and run_at > statement_timestamp()
           order by queue, run_at, job_id
           limit 1
       ) as next_due_in
"""
