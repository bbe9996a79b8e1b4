package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.Retention
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Place
import kittiwake.postgres.Schema
import kittiwake.postgres.Snapshot
import kittiwake.postgres.Span
import java.sql.Connection
import java.sql.ResultSet
import java.time.OffsetDateTime
import kotlin.time.Instant
import kotlin.time.toKotlinInstant

/** Moves ready tickets into one new lease row, and returns their jobs. */
@OptIn(KittiwakeSpi::class)
internal class ClaimJobs(schema: Schema, private val retention: Retention) {
    private val claimJobs = NamedSql(CLAIM_JOBS, schema)

    /** [places] are those of all tickets that were taken, in the order of the index; cancelled [jobs] are not among them. */
    class Result(val snapshot: Snapshot, val jobs: List<ClaimedJob>, val places: List<Place>)

    private class Taken(val ticket: Ticket, val job: ClaimedJob?)

    fun execute(connection: Connection, claim: Claim, spans: List<Span>): Result {
        var snapshot = ""
        val taken = ArrayList<Taken>(claim.limit)
        claimJobs.query(connection, {
            claim(claim, spans)
            facts(retention)
        }) { row ->
            row.getString(SNAPSHOT)?.let { snapshot = it } ?: taken.add(taken(row, claim))
        }
        taken.sortWith(compareBy(Taken::ticket))
        return Result(Snapshot.parse(snapshot), taken.mapNotNull { it.job }, taken.map { it.ticket.place })
    }

    private fun taken(row: ResultSet, claim: Claim): Taken {
        val ticket = Ticket(Place(row.getInt(LANE), row.getLong(RANK), row.getLong(JOB_ID)), row.getInt(ATTEMPT))
        row.getLong(ID)
        return Taken(ticket, if (row.wasNull()) null else claim.job(row, ticket))
    }

    /** By number, after the facts: by name each is looked up anew for each row. */
    private companion object Columns {
        const val ID = 1
        const val JOB_ID = 10
        const val LANE = 11
        const val RANK = 12
        const val ATTEMPT = 13
        const val SNAPSHOT = 14
    }
}

internal fun ResultSet.instant(column: String): Instant = checkNotNull(instantOrNull(column)) { "$column is null" }

internal fun ResultSet.instantOrNull(column: String): Instant? =
    getObject(column, OffsetDateTime::class.java)?.toInstant()?.toKotlinInstant()

// Takes tickets and returns their jobs. A ticket whose job is gone was cancelled: it is taken out and leads nowhere.
// Only who was tried before is asked for crashes. Indexes: ready_pkey, job_pkey, attempt_pkey.
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
private val CLAIM_JOBS = """
/* kittiwake: claim jobs */
$TICKETS_AMONG_RIVALS
select null::bigint as id, null as name, null as args, null::smallint as max_attempts, null::timestamptz as enqueued_at,
       null::bigint as parent_id, null as metadata, null::boolean as is_forgotten, null::bigint as crashes,
       null::bigint as job_id, null::smallint as lane, null::bigint as rank, null::smallint as attempt,
       pg_current_snapshot()::text as snapshot
union all
select $FACTS,
       case when taken.attempt > 1 then $CRASHES end,
       taken.job_id, taken.lane, taken.rank, taken.attempt, null
from taken
full join (
    select *
    from {schema}.job
    where id = any(array(select job_id from taken))
    offset 0
) as job on job.id = taken.job_id
"""
