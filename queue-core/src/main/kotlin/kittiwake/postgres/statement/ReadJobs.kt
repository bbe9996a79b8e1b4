package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.Retention
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import java.sql.Connection

/**
 * The second half of a claim in two steps: reads the jobs of the tickets that [TakeTickets] has taken. When it returns,
 * the claim is on the disk.
 */
@OptIn(KittiwakeSpi::class)
internal class ReadJobs(schema: Schema, private val retention: Retention) {
    private val read = NamedSql(READ_JOBS, schema)

    /** In the order of [tickets]; those that were cancelled are not among them, and none is when the lease is gone. */
    fun execute(connection: Connection, claim: Claim, tickets: List<Ticket>): List<ClaimedJob> {
        val turns = HashMap<Long, Int>(tickets.size * 2)
        tickets.forEachIndexed { turn, ticket -> turns[ticket.place.job] = turn }
        val jobs = arrayOfNulls<ClaimedJob>(tickets.size)
        read.query(connection, {
            facts(retention)
            this["lease"] = claim.lease
            this["job_ids"] = LongArray(tickets.size) { tickets[it].place.job }
            this["tried"] = tickets.filter { it.attempt > 1 }.map { it.place.job }.toLongArray()
        }) { row ->
            val turn = turns.getValue(row.getLong(1))
            jobs[turn] = claim.job(row, tickets[turn])
        }
        return jobs.filterNotNull()
    }
}

// Reads jobs, those that were tried before with their crashes, as long as the lease is there: it may have been lost with
// the server, or to a rescuer, since the tickets were taken. The message makes it a transaction that waits for the disk,
// and all that was written before it is on the disk then, too. Indexes: lease_pkey, job_pkey, attempt_pkey.
//
// What was measured is said at "take tickets".
// language=PostgreSQL
private const val READ_JOBS = """
/* kittiwake: read jobs */
select $FACTS,
       case when job.id = any(:tried::bigint[]) then $CRASHES end as crashes
from {schema}.job
where id = any(:job_ids::bigint[])
  and exists (select from {schema}.lease where id = :lease)
  and (select pg_logical_emit_message(true, 'kittiwake', '')) is not null
"""
