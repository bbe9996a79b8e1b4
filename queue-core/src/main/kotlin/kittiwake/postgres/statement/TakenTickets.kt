package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Place
import kittiwake.postgres.Span
import java.sql.ResultSet
import java.util.UUID
import kotlin.time.toKotlinInstant

/** What is claimed: up to [limit] jobs of [queue] for [worker], in [lease]. */
internal class Claim(val worker: WorkerId, val queue: QueueName, val lease: Long, val limit: Int)

/** A ticket that was taken, and which attempt it is for. */
internal class Ticket(val place: Place, val attempt: Int) : Comparable<Ticket> {
    override fun compareTo(other: Ticket): Int = place.compareTo(other.place)
}

// Beside others who do the same: skips tickets that rivals are taking.
internal val TICKETS_AMONG_RIVALS = takenTickets(locked = LOCKED)

// One claim of the queue after the other, so that no ticket has to be locked before it is deleted. Skips those that
// somebody has a hand on, or had one on, for xmax says no more than that.
internal val TICKETS_IN_TURN = takenTickets(untouched = "and xmax = '0'::xid", turn = TURN)

// The same for a look everywhere, which is for what was skipped, too.
internal val TICKETS_IN_TURN_EVERYWHERE = takenTickets(locked = LOCKED, turn = TURN)

private const val LOCKED = "for update skip locked"

// Whose turn it is, is waited for no longer than "lock_timeout" says, and so is who got to a ticket between the search
// and the delete.
// language=PostgreSQL
private const val TURN = """
      and (
          select case
              when set_config('lock_timeout', '50ms', true) is not null
              then pg_advisory_xact_lock({schema}.turn_key('claim/' || :queue)) is not null
          end
      )"""

// How every claim begins: up to :limit ready tickets from the spans become one lease row, in the order of the index:
// highest priority first, then by expected time, then by the transaction that enqueued. The outer limit stops the nested
// loop, so no more are looked at, or locked, than taken. The worker must live. Index: ready_pkey.
// language=PostgreSQL
private fun takenTickets(locked: String = "", untouched: String = "", turn: String = "") = """
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
          $untouched
        order by queue, lane, rank, job_id
        limit :limit
        $locked
    ) as ticket
    where exists (select from {schema}.worker where id = :worker and ended_at is null)
    $turn
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
)"""

/** Binds what each of them needs. */
internal fun NamedSql.Binding.claim(claim: Claim, spans: List<Span>) {
    this["worker"] = UUID.fromString(claim.worker.value)
    this["queue"] = claim.queue.value
    this["lease"] = claim.lease
    this["limit"] = claim.limit
    array("after_lanes", "int4", spans.map { it.afterLane })
    array("after_ranks", "int8", spans.map { it.afterRank })
    array("after_jobs", "int8", spans.map { it.afterJob })
    array("until_lanes", "int4", spans.map { it.untilLane })
    array("until_ranks", "int8", spans.map { it.untilRank })
}

// What a worker is told of a job, first in the row.
// language=PostgreSQL
internal const val FACTS = """job.id, job.name, job.args, job.max_attempts, job.enqueued_at, job.parent_id, job.metadata,
       coalesce(job.keep_completed <= interval '0', :is_forgotten) as is_forgotten"""

// How often its worker fell silent while it ran.
// language=PostgreSQL
internal const val CRASHES = """(
           select count(*)
           from {schema}.attempt
           where attempt.job_id = job.id
             and attempt.crashed
       )"""

/** Binds what [FACTS] need. */
@OptIn(KittiwakeSpi::class)
internal fun NamedSql.Binding.facts(retention: Retention) {
    this["is_forgotten"] = !retention.completed.isPositive()
}

/** Reads a row that begins with [FACTS] and [CRASHES]. By number: by name each is looked up anew for each row. */
@OptIn(KittiwakeSpi::class)
internal fun Claim.job(row: ResultSet, ticket: Ticket) = ClaimedJob(
    id = JobId(ticket.place.job),
    lease = lease,
    worker = worker,
    attempt = ticket.attempt,
    name = row.getString(2),
    queue = queue,
    priority = -ticket.place.lane,
    args = row.getString(3),
    maxAttempts = row.getInt(4),
    enqueuedAt = row.getTimestamp(5).toInstant().toKotlinInstant(),
    parent = row.getLong(6).takeUnless { row.wasNull() }?.let(::JobId),
    metadata = row.getString(7),
    isArchived = !row.getBoolean(8),
    crashes = row.getInt(9),
)
