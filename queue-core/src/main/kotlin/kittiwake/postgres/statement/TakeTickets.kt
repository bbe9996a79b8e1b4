package kittiwake.postgres.statement

import kittiwake.postgres.NamedSql
import kittiwake.postgres.Place
import kittiwake.postgres.Schema
import kittiwake.postgres.Snapshot
import kittiwake.postgres.Span
import java.sql.Connection
import java.sql.ResultSet

/**
 * The first half of a claim in two steps: moves ready tickets into one new lease row. It does not wait for the disk, so
 * nothing is claimed for good before the other half, [ReadJobs], has returned.
 */
internal class TakeTickets(schema: Schema) {
    private val take = NamedSql(TAKE_TICKETS, schema)
    private val sweep = NamedSql(SWEEP_TICKETS, schema)

    /** [tickets] in the order of the index. Of as many as were [found] somebody else may have got some. */
    class Result(val snapshot: Snapshot, val found: Int, val tickets: List<Ticket>)

    fun execute(connection: Connection, claim: Claim, spans: List<Span>, isSweep: Boolean): Result =
        (if (isSweep) sweep else take)
            .query(connection, { claim(claim, spans) }) { row ->
                val jobs = row.numbers("job_ids")
                val (lanes, ranks, attempts) = listOf("lanes", "ranks", "attempts").map { row.numbers(it) }
                val tickets = jobs.indices.map {
                    Ticket(Place(lanes[it].toInt(), ranks[it].toLong(), jobs[it].toLong()), attempts[it].toInt())
                }
                Result(Snapshot.parse(row.getString("snapshot")), row.getInt("found"), tickets.sorted())
            }.single()

    @Suppress("UNCHECKED_CAST")
    private fun ResultSet.numbers(column: String): Array<out Number> =
        getArray(column)?.array as Array<out Number>? ?: emptyArray()
}

// The answer says no more than where they lay: then the next claim can go on from there, while the jobs of this one are
// read, and before it is on the disk.
// language=PostgreSQL
private const val WHERE_THEY_LAY = """
select pg_current_snapshot()::text as snapshot, (select count(*) from next) as found, array_agg(job_id) as job_ids,
       array_agg(lane) as lanes, array_agg(rank) as ranks, array_agg(attempt) as attempts,
       set_config('synchronous_commit', 'off', true)
from taken"""

// Two claims of a queue at once are rivals, and each walks over what the other has locked: 4.1 µs a job of 500, as the
// server counts it while a worker empties a queue. In turn it is 2.1 µs for this, and 1.1 for "read jobs" (decision
// 0038). Not to lock tickets before they are deleted, measured alone, makes 1.6 of 2.1 (decision 0039).
// language=PostgreSQL
private val TAKE_TICKETS = """
/* kittiwake: take tickets */
$TICKETS_IN_TURN
$WHERE_THEY_LAY
"""

// What "take tickets" does, from the start of the queue, and with a lock on each ticket: what somebody had a hand on may
// be had now.
// language=PostgreSQL
private val SWEEP_TICKETS = """
/* kittiwake: sweep tickets */
$TICKETS_IN_TURN_EVERYWHERE
$WHERE_THEY_LAY
"""
