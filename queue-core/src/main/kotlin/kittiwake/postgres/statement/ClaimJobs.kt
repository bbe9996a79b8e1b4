package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.QueueName
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
internal class ClaimJobs(schema: Schema) {
    private val claim = NamedSql(CLAIM_JOBS, schema)

    class Result(val snapshot: Snapshot, val jobs: List<ClaimedJob>, val places: List<Place>)

    fun execute(
        connection: Connection,
        worker: WorkerId,
        queue: QueueName,
        lease: Long,
        spans: List<Span>,
        limit: Int,
    ): Result {
        var snapshot = ""
        val taken =
            claim
                .query(connection, {
                    this["worker"] = UUID.fromString(worker.value)
                    this["queue"] = queue.value
                    this["lease"] = lease
                    this["limit"] = limit
                    array("after_lanes", "int4", spans.map { it.afterLane })
                    array("after_ranks", "int8", spans.map { it.afterRank })
                    array("after_jobs", "int8", spans.map { it.afterJob })
                    array("until_lanes", "int4", spans.map { it.untilLane })
                    array("until_ranks", "int8", spans.map { it.untilRank })
                }) { row ->
                    snapshot = row.getString("snapshot")
                    row.longOrNull("job_id")?.let { id ->
                        Place(row.getInt("lane"), row.getLong("rank"), id) to
                            row.getString("name")?.let { claimedJob(row, id, queue, lease, worker) }
                    }
                }.filterNotNull()
                .sortedWith(compareBy({ it.first.lane }, { it.first.rank }, { it.first.job }))
        return Result(Snapshot.parse(snapshot), taken.mapNotNull { it.second }, taken.map { it.first })
    }

    private fun claimedJob(row: ResultSet, id: Long, queue: QueueName, lease: Long, worker: WorkerId) = ClaimedJob(
        id = JobId(id),
        lease = lease,
        worker = worker,
        attempt = row.getInt("attempt"),
        name = row.getString("name"),
        queue = queue,
        priority = row.getInt("priority"),
        args = row.getString("args"),
        maxAttempts = row.getInt("max_attempts"),
        enqueuedAt = row.instant("enqueued_at"),
        parent = row.longOrNull("parent_id")?.let(::JobId),
        metadata = row.getString("metadata"),
        crashes = row.getInt("crashes"),
    )
}

internal fun ResultSet.instant(column: String): Instant = checkNotNull(instantOrNull(column)) { "$column is null" }

internal fun ResultSet.instantOrNull(column: String): Instant? =
    getObject(column, OffsetDateTime::class.java)?.toInstant()?.toKotlinInstant()

// Takes up to :limit ready tickets from the spans, in the order of the index: highest priority first, then by expected
// time, then by the transaction that enqueued. Skips tickets that rivals are taking. The outer limit stops the nested
// loop, so no more are locked than taken. A ticket whose job is gone was cancelled: it is taken out and goes nowhere.
// Only who was tried before is asked for crashes. The worker must live. Indexes: ready_pkey, job_pkey, attempt_pkey.
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
    returning lane, rank, job_id, attempt
),
jobs as materialized (
    select taken.job_id, taken.lane, taken.rank, (taken.attempt + 1)::smallint as attempt,
           job.name, job.priority, job.args, job.max_attempts, job.enqueued_at, job.parent_id, job.metadata,
           case
               when taken.attempt > 0 then (
                   select count(*)
                   from {schema}.attempt
                   where attempt.job_id = taken.job_id
                     and attempt.crashed
               )
               else 0
           end as crashes
    from taken
    left join lateral (select * from {schema}.job where id = taken.job_id offset 0) as job on true
),
lease as (
    insert into {schema}.lease (id, worker_id, job_ids, attempts)
    select :lease, :worker, array_agg(job_id), array_agg(attempt)
    from jobs
    where name is not null
    having count(*) > 0
)
select pg_current_snapshot()::text as snapshot, jobs.*
from (select) as always
left join jobs on true
"""
