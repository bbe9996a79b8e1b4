package kittiwake.postgres.statement

import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import java.sql.Connection
import java.util.UUID

/** Gives back, at no cost of an attempt, what a worker holds and will not run. */
internal class GiveBack(schema: Schema) {
    private val giveBack = NamedSql(GIVE_BACK, schema)

    /** All that [worker] holds, and forgets the worker. */
    fun leave(connection: Connection, worker: WorkerId): Long = execute(connection, worker, emptySet(), all = true)

    /** What one of [leases] holds: claims whose answer was lost on the way. */
    fun release(connection: Connection, worker: WorkerId, leases: Set<Long>): Long =
        execute(connection, worker, leases, all = false)

    private fun execute(connection: Connection, worker: WorkerId, leases: Set<Long>, all: Boolean): Long = giveBack
        .query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            this["all"] = all
            this["leases"] = leases.toLongArray()
        }) { it.getLong("given_back") }
        .single()
}

// Leases of :worker go, their tickets return to the head, as if they had not been claimed (rank -1, see return jobs). A
// worker that leaves is kept as ended for a while, so that nothing of it which is still under way stays claimed.
// Indexes: lease_worker_idx, job_pkey. Ten thousand jobs in a hundred leases take 112 ms.
// language=PostgreSQL
private const val GIVE_BACK = """
/* kittiwake: give back */
with dropped as materialized (
    delete from {schema}.lease
    where worker_id = :worker
      and (:all or id = any(:leases::bigint[]))
    returning job_ids, attempts
),
back as materialized (
    select entry.job_id, entry.attempt, job.queue, job.priority, job.expected_at
    from dropped
    cross join lateral unnest(dropped.job_ids, dropped.attempts) as entry (job_id, attempt)
    cross join lateral (
        select queue, priority, expected_at
        from {schema}.job
        where id = entry.job_id
        for no key update
    ) as job
),
$TAKEN_BACK,
ready_now as (
    insert into {schema}.ready (queue, lane, rank, job_id, attempt)
    select queue, -priority, case when expected_at is null then -1 else {schema}.rank(expected_at) end,
           job_id, attempt - 1
    from back
),
left_behind as (
    update {schema}.worker
    set ended_at = clock_timestamp(), has_left = true
    where :all
      and id = :worker
)
select count(*) as given_back from back
"""
