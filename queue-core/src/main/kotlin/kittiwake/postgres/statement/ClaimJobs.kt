package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Place
import kittiwake.postgres.Schema
import kittiwake.postgres.Snapshot
import kittiwake.postgres.Span
import java.sql.Connection
import java.sql.ResultSet
import java.time.OffsetDateTime
import java.util.UUID
import kotlin.time.Instant
import kotlin.time.toKotlinInstant

/** Moves ready tickets into one new lease row, and returns their jobs. */
@OptIn(KittiwakeSpi::class)
internal class ClaimJobs(schema: Schema, private val retention: Retention) {
    private val claim = NamedSql(CLAIM_JOBS, schema)

    /** [places] are those of all tickets that were taken, in the order of the index; cancelled [jobs] are not among them. */
    class Result(val snapshot: Snapshot, val jobs: List<ClaimedJob>, val places: List<Place>)

    private class Taken(val place: Place, val job: ClaimedJob?) : Comparable<Taken> {
        override fun compareTo(other: Taken): Int = place.compareTo(other.place)
    }

    fun execute(
        connection: Connection,
        worker: WorkerId,
        queue: QueueName,
        lease: Long,
        spans: List<Span>,
        limit: Int,
    ): Result {
        var snapshot = ""
        val taken = ArrayList<Taken>(limit)
        claim.query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            this["queue"] = queue.value
            this["lease"] = lease
            this["limit"] = limit
            this["is_forgotten"] = !retention.completed.isPositive()
            array("after_lanes", "int4", spans.map { it.afterLane })
            array("after_ranks", "int8", spans.map { it.afterRank })
            array("after_jobs", "int8", spans.map { it.afterJob })
            array("until_lanes", "int4", spans.map { it.untilLane })
            array("until_ranks", "int8", spans.map { it.untilRank })
        }) { row ->
            row.getString(SNAPSHOT)?.let { snapshot = it } ?: taken.add(ticket(row, queue, lease, worker))
        }
        taken.sort()
        return Result(Snapshot.parse(snapshot), taken.mapNotNull { it.job }, taken.map { it.place })
    }

    private fun ticket(row: ResultSet, queue: QueueName, lease: Long, worker: WorkerId): Taken {
        val id = row.getLong(JOB_ID)
        val name: String? = row.getString(NAME)
        return Taken(
            Place(row.getInt(LANE), row.getLong(RANK), id),
            name?.let { claimedJob(row, id, it, queue, lease, worker) },
        )
    }

    private fun claimedJob(row: ResultSet, id: Long, name: String, queue: QueueName, lease: Long, worker: WorkerId) =
        ClaimedJob(
            id = JobId(id),
            lease = lease,
            worker = worker,
            attempt = row.getInt(ATTEMPT),
            name = name,
            queue = queue,
            priority = -row.getInt(LANE),
            args = row.getString(ARGS),
            maxAttempts = row.getInt(MAX_ATTEMPTS),
            enqueuedAt = row.getTimestamp(ENQUEUED_AT).toInstant().toKotlinInstant(),
            parent = row.getLong(PARENT_ID).takeUnless { row.wasNull() }?.let(::JobId),
            metadata = row.getString(METADATA),
            crashes = row.getInt(CRASHES),
            isArchived = !row.getBoolean(IS_FORGOTTEN),
        )

    /** By number: by name each is looked up anew for each row. */
    private companion object Columns {
        const val SNAPSHOT = 1
        const val JOB_ID = 2
        const val LANE = 3
        const val RANK = 4
        const val ATTEMPT = 5
        const val NAME = 6
        const val ARGS = 7
        const val MAX_ATTEMPTS = 8
        const val ENQUEUED_AT = 9
        const val PARENT_ID = 10
        const val METADATA = 11
        const val IS_FORGOTTEN = 12
        const val CRASHES = 13
    }
}

internal fun ResultSet.instant(column: String): Instant = checkNotNull(instantOrNull(column)) { "$column is null" }

internal fun ResultSet.instantOrNull(column: String): Instant? =
    getObject(column, OffsetDateTime::class.java)?.toInstant()?.toKotlinInstant()

// Takes up to :limit ready tickets from the spans, in the order of the index: highest priority first, then by expected
// time, then by the transaction that enqueued. Skips tickets that rivals are taking. The outer limit stops the nested
// loop, so no more are locked than taken. A ticket whose job is gone was cancelled: it is taken out and leads nowhere.
// Only who was tried before is asked for crashes. The worker must live. Indexes: ready_pkey, job_pkey, attempt_pkey.
//
// 500 jobs a batch, as the client sees it: 6.1 µs a job with the snapshot in each row and the lease made of the jobs, 5.5
// without; to keep cancelled jobs out of the lease takes 0.6 µs more, not to lock tickets before their delete would take
// 0.9 less (decision 0028).
//
// The jobs are looked up in one search, for which PostgreSQL reads each page of the index once, from version 17 on: 3.2 µs
// of the server a job, and 3.9 when each is looked up for itself. The join is full because no nested loop can make one:
// planned while the tables were empty, a left join did the whole search for each ticket, 124 µs a job. "offset 0" keeps the
// search apart from the join.
// language=PostgreSQL
private const val CLAIM_JOBS = """
/* kittiwake: claim jobs */
with next as materialized (
    select ticket.place
    from unnest(:after_lanes::smallint[], :after_ranks::bigint[], :after_jobs::bigint[],
                :until_lanes::smallint[], :until_ranks::bigint[])
         as span (after_lane, after_rank, after_job, until_lane, until_rank)
    cross join lateral (
        select ready.ctid as place
        from {schema}.ready
        where queue = :queue
          and (lane, rank, job_id) > (span.after_lane, span.after_rank, span.after_job)
          and (lane, rank) < (span.until_lane, span.until_rank)
        order by queue, lane, rank, job_id
        limit :limit
        for update skip locked
    ) as ticket
    where exists (select from {schema}.worker where id = :worker and ended_at is null)
    limit :limit
),
taken as materialized (
    delete from {schema}.ready
    where ctid = any(array(select place from next))
    returning lane, rank, job_id, (attempt + 1)::smallint as attempt
),
lease as (
    insert into {schema}.lease (id, worker_id, job_ids, attempts)
    select :lease, :worker, array_agg(job_id), array_agg(attempt)
    from taken
    having count(*) > 0
)
select pg_current_snapshot()::text as snapshot, null::bigint as job_id, null::smallint as lane, null::bigint as rank,
       null::smallint as attempt, null as name, null as args, null::smallint as max_attempts,
       null::timestamptz as enqueued_at, null::bigint as parent_id, null as metadata, null::boolean as is_forgotten,
       null::bigint as crashes
union all
select null, taken.job_id, taken.lane, taken.rank, taken.attempt, job.name, job.args, job.max_attempts,
       job.enqueued_at, job.parent_id, job.metadata, coalesce(job.keep_completed <= interval '0', :is_forgotten),
       case when taken.attempt > 1 then (
           select count(*)
           from {schema}.attempt
           where attempt.job_id = taken.job_id
             and attempt.crashed
       ) end
from taken
full join (
    select *
    from {schema}.job
    where id = any(array(select job_id from taken))
    offset 0
) as job on job.id = taken.job_id
"""
