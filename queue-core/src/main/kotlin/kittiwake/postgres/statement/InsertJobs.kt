package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.JobId
import kittiwake.job.Retention
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Inserted
import java.sql.Connection
import java.sql.ResultSet
import kotlin.time.Duration

/**
 * Stores jobs and their tickets, one statement for any number of them, in whatever transaction [Connection] is in.
 *
 * Arrays rather than a batch: `unnest` returns ids, keeps `on conflict` and one prepared statement, and ties with COPY
 * at 1,000 rows.
 */
@OptIn(KittiwakeSpi::class)
internal class InsertJobs(schema: Schema) {
    private val insert = NamedSql(INSERT_JOBS, schema)
    private val find = NamedSql(FIND_BY_KEY, schema)

    /**
     * With [wake] a sleeping worker is told when the transaction commits; without, the caller does that after the
     * commit.
     */
    fun execute(connection: Connection, jobs: List<NewJob>, wake: Boolean): List<Inserted> {
        val answers = arrayOfNulls<Inserted>(jobs.size)
        var left = jobs.indices.toList()
        while (left.isNotEmpty()) {
            val ids = insert(connection, left.map(jobs::get), wake)
            left.forEachIndexed { i, job -> ids[i]?.let { answers[job] = Inserted(JobId(it), isNew = true) } }
            // The rest met an unfinished job with their key. It may end between the two statements: then there is room
            // to insert again.
            left = left.filter { answers[it] == null }
            for (i in left) find(connection, jobs[i])?.let { answers[i] = Inserted(JobId(it), isNew = false) }
            left = left.filter { answers[it] == null }
        }
        return answers.map { checkNotNull(it) }
    }

    private fun insert(connection: Connection, jobs: List<NewJob>, wake: Boolean): List<Long?> =
        insert.query(connection, {
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
            array("keep_completed", "int8", jobs.map { it.retention?.completed?.inMicroseconds() })
            array("keep_failed", "int8", jobs.map { it.retention?.failed?.inMicroseconds() })
            this["wake"] = wake
        }) { row -> row.longOrNull("id") }

    private fun find(connection: Connection, job: NewJob): Long? = find
        .query(connection, {
            this["name"] = job.name.value
            this["unique_key"] = job.uniqueKey
        }) { it.getLong("id") }
        .firstOrNull()
}

/** For ever is a millennium: intervals of older servers have no infinity. */
internal fun Duration.inMicroseconds(): Long = if (isInfinite()) FOR_EVER else inWholeMicroseconds

private const val FOR_EVER = 1_000L * 365 * 24 * 3600 * 1_000_000

internal val Retention.completedMicroseconds: Long get() = completed.inMicroseconds()
internal val Retention.failedMicroseconds: Long get() = failed.inMicroseconds()

internal fun ResultSet.longOrNull(column: String): Long? = getLong(column).takeUnless { wasNull() }

// Stores jobs in the order given, and their tickets: in ready, or in scheduled while they are not due. Conflicts come
// back without an id. Sorted by key, so that two transactions that store the same keys wait for each other in one
// order.
// language=PostgreSQL
private const val INSERT_JOBS = """
/* kittiwake: insert jobs */
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
ready_now as (
    insert into {schema}.ready (queue, lane, rank, job_id, attempt)
    select queue, -priority, {schema}.rank(expected_at), id, 0
    from stored
    where run_at is null or run_at <= statement_timestamp()
),
put_off as (
    insert into {schema}.scheduled (job_id, queue, run_at, priority, expected_at, attempt)
    select id, queue, run_at, priority, expected_at, 0
    from stored
    where run_at > statement_timestamp()
)
select stored.id,
       (select count({schema}.wake(q.queue)) from (select distinct queue from stored) q where :wake) as woken
from input
left join stored on stored.id = input.id
order by input.position
"""

// The unfinished job that has the key. Index: job_unique_key_idx.
// language=PostgreSQL
private const val FIND_BY_KEY = """
/* kittiwake: find job by key */
select id
from {schema}.job
where name = :name
  and unique_key = :unique_key
"""
