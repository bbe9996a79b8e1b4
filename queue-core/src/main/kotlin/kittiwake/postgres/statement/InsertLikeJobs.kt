package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.JobId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Inserted
import java.sql.Connection

/** Stores jobs that differ at most in their args, may run at once, and have no key that could be taken: most jobs. */
@OptIn(KittiwakeSpi::class)
internal class InsertLikeJobs(schema: Schema) {
    private val insert = NamedSql(INSERT_LIKE_JOBS, schema)

    fun fits(jobs: List<NewJob>): Boolean {
        val first = jobs.first()
        return first.isPlain && jobs.all { it.isPlain && it.isLike(first) }
    }

    private val NewJob.isPlain: Boolean
        get() = uniqueKey == null && delay == null && runAt == null && expectedAt == null

    private fun NewJob.isLike(other: NewJob): Boolean = name == other.name && queue == other.queue &&
        priority == other.priority && maxAttempts == other.maxAttempts && parent == other.parent &&
        metadata == other.metadata && retention == other.retention

    /** Answers in order. */
    fun execute(connection: Connection, jobs: List<NewJob>, wake: Wake): List<Inserted> {
        val like = jobs.first()
        return insert.query(connection, {
            commonFacts(like)
            array("args", "text", Array(jobs.size) { jobs[it].args })
            this["wake"] = wake.notifies
        }) { Inserted(JobId(it.getLong(1)), isNew = true) }
    }
}

// Stores the jobs in the order of their args, and their tickets.
//
// One array and scalars: a thousand jobs take the server 4.7 µs each and 443 bytes of WAL, against 8.9 and 570 with all
// facts in arrays (INSERT_ANY_JOBS), and no less of
// the processor by COPY into both tables (benchmark "enqueue"); of that the index of tickets is 1.5 and that of
// jobs 0.9. For one job it costs 8 µs more than `values` would, of 150 with the commit. On two shared cores, PostgreSQL
// 18.6, client on the same two.
// language=PostgreSQL
private const val INSERT_LIKE_JOBS = """
/* kittiwake: insert like jobs */
with stored as (
    insert into {schema}.job (name, queue, priority, args, max_attempts, parent_id, metadata, keep_completed,
                              keep_failed, by_hand)
    select :name, :queue, :priority::int, args, :max_attempts::int, :parent::bigint, :metadata,
           :keep_completed::bigint * interval '1 microsecond', :keep_failed::bigint * interval '1 microsecond', false
    from unnest(:args::text[]) as args
    returning id, queue, priority
),
issued as (
    insert into {schema}.ready (queue, lane, rank, job_id, attempt)
    select queue, -priority, (select {schema}.rank(null)), id, 0
    from stored
)
select id, (select {schema}.wake(:queue) where :wake::boolean) as woken
from stored
"""
