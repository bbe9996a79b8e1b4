package kittiwake.postgres.statement

import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import java.sql.Connection
import java.sql.SQLException
import java.util.UUID

/** Offers leases to enqueuers, takes the offers back, and says what has become of them. */
internal class MakeOffers(schema: Schema) {
    private val offer = NamedSql(OFFER, schema)
    private val withdraw = NamedSql(WITHDRAW_OFFERS, schema)
    private val withdrawAll = NamedSql(WITHDRAW_ALL_OFFERS, schema)
    private val look = NamedSql(LOOK_FOR_OFFERS, schema)

    /** What is left of offers: those that still stand, and those whose leases hold a job. */
    class Found(val standing: Set<Long>, val taken: Set<Long>)

    fun offer(connection: Connection, worker: WorkerId, queue: QueueName, lease: Long) {
        offer.query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            this["queue"] = queue.value
            this["lease"] = lease
        }) {}
    }

    /** Returns those that are gone by it; what an enqueuer has a hand on stays. */
    fun withdraw(connection: Connection, leases: Collection<Long>): Set<Long> =
        withdraw.query(connection, { this["leases"] = leases.toLongArray() }) { it.getLong(1) }.toSet()

    /** All of a worker that leaves. It waits for enqueuers that have a hand on one, but not for long. */
    fun withdrawAll(connection: Connection, worker: WorkerId) {
        try {
            withdrawAll.query(connection, { this["worker"] = UUID.fromString(worker.value) }) {}
        } catch (e: SQLException) {
            if (e.sqlState != LOCK_NOT_AVAILABLE) throw e
        }
    }

    fun look(connection: Connection, leases: Collection<Long>): Found {
        val standing = mutableSetOf<Long>()
        val taken = mutableSetOf<Long>()
        look.query(connection, { this["leases"] = leases.toLongArray() }) { row ->
            if (row.getBoolean("stands")) standing += row.getLong("lease")
            if (row.getBoolean("is_taken")) taken += row.getLong("lease")
        }
        return Found(standing, taken)
    }

    private companion object {
        const val LOCK_NOT_AVAILABLE = "55P03"
    }
}

// A worker that was given up, and does not know it yet, offers nothing. The table is not logged: nothing waits for the disk.
// language=PostgreSQL
private const val OFFER = """
/* kittiwake: offer */
insert into {schema}.offer (lease_id, queue, worker_id)
select :lease, :queue, :worker
where exists (select from {schema}.worker where id = :worker and ended_at is null)
returning lease_id
"""

// Index: offer_pkey.
// language=PostgreSQL
private const val WITHDRAW_OFFERS = """
/* kittiwake: withdraw offers */
delete from {schema}.offer
where ctid = any(array(
    select ctid
    from {schema}.offer
    where lease_id = any(:leases::bigint[])
    for update skip locked
))
returning lease_id
"""

// A transaction that has put a job into one of them may be about to commit: then it is in a lease that is given back.
// Index: offer_worker_idx.
// language=PostgreSQL
private const val WITHDRAW_ALL_OFFERS = """
/* kittiwake: withdraw all offers */
delete from {schema}.offer
where worker_id = :worker
  and (select set_config('lock_timeout', '1s', true)) is not null
returning lease_id
"""

// An offer is gone by the commit that brings its lease, so it is either or, to who sees both at once. Indexes: offer_pkey,
// lease_pkey.
// language=PostgreSQL
private const val LOOK_FOR_OFFERS = """
/* kittiwake: look for offers */
select asked.lease,
       exists (select from {schema}.offer where lease_id = asked.lease) as stands,
       exists (select from {schema}.lease where id = asked.lease) as is_taken
from unnest(:leases::bigint[]) as asked (lease)
"""
