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
 * The statement is the leanest of four that will do: most jobs are plain, or [InsertLikeJobs].
 */
@OptIn(KittiwakeSpi::class)
internal class InsertJobs(schema: Schema) {
    private val plainJob = InsertPlainJob(schema)
    private val likeJobs = InsertLikeJobs(schema)
    private val oneJob = InsertOneJob(schema)
    private val anyJobs = InsertAnyJobs(schema)
    private val find = NamedSql(FIND_BY_KEY, schema)

    fun execute(connection: Connection, jobs: List<NewJob>, wake: Wake): List<Inserted> {
        if (likeJobs.fits(jobs)) {
            if (jobs.size == 1) return listOf(plainJob.execute(connection, jobs.single(), wake))
            return likeJobs.execute(connection, jobs, wake)
        }
        val answers = arrayOfNulls<Inserted>(jobs.size)
        var left = jobs.indices.toList()
        while (left.isNotEmpty()) {
            insert(connection, left.map(jobs::get), wake).forEachIndexed { i, new -> answers[left[i]] = new }
            // The rest met an unfinished job with their key. It may end between the two statements: then there is room
            // to insert again.
            left = left.filter { answers[it] == null }
            for (i in left) find(connection, jobs[i])?.let { answers[i] = Inserted(JobId(it), isNew = false) }
            left = left.filter { answers[it] == null }
        }
        return answers.map { checkNotNull(it) }
    }

    private fun insert(connection: Connection, jobs: List<NewJob>, wake: Wake): List<Inserted?> =
        jobs.singleOrNull()?.let { listOf(oneJob.execute(connection, it, wake)) }
            ?: anyJobs.execute(connection, jobs, wake)

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

/** Binds what [job] has in common with others like it: all but its args, its time and its key. */
@OptIn(KittiwakeSpi::class)
internal fun NamedSql.Binding.commonFacts(job: NewJob) {
    this["name"] = job.name.value
    this["queue"] = job.queue.value
    this["priority"] = job.priority
    this["max_attempts"] = job.maxAttempts
    bigint("parent", job.parent?.value)
    text("metadata", job.metadata)
    bigint("keep_completed", job.retention?.completedMicroseconds)
    bigint("keep_failed", job.retention?.failedMicroseconds)
}

internal fun ResultSet.longOrNull(column: String): Long? = getLong(column).takeUnless { wasNull() }

// The tickets of the jobs that were stored: in ready, or in scheduled while they are not due.
internal val TICKETS_OF_STORED = ticketsOfStored()

// The same for one that may have been handed over, and needs no ticket then.
internal val TICKETS_OF_ONE_STORED = ticketsOfStored(unless = "and not exists (select from handed_over)")

// language=PostgreSQL
private fun ticketsOfStored(unless: String = "") = """
ready_now as (
    insert into {schema}.ready (queue, lane, rank, job_id, attempt)
    select queue, -priority, {schema}.rank(expected_at), id, 0
    from stored
    where (run_at is null or run_at <= statement_timestamp())
      $unless
),
put_off as (
    insert into {schema}.scheduled (job_id, queue, run_at, priority, expected_at, attempt)
    select id, queue, run_at, priority, expected_at, 0
    from stored
    where run_at > statement_timestamp()
)"""

// The unfinished job that has the key. Index: job_unique_key_idx.
// language=PostgreSQL
private const val FIND_BY_KEY = """
/* kittiwake: find job by key */
select id
from {schema}.job
where name = :name
  and unique_key = :unique_key
"""
