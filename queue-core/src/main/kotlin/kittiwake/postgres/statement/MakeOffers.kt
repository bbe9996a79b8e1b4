package kittiwake.postgres.statement

import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.postgres.isLockTimeout
import java.sql.Connection
import java.sql.SQLException
import java.util.UUID

/** Offers leases to enqueuers, takes the offers back, and says what has become of them. */
internal class MakeOffers(schema: Schema) {
    private val offer = NamedSql(OFFER, schema)
    private val withdraw = NamedSql(WITHDRAW_OFFERS, schema)
    private val withdrawFree = NamedSql(WITHDRAW_FREE_OFFERS, schema)
    private val withdrawRest = NamedSql(WITHDRAW_REST_OF_OFFERS, schema)
    private val look = NamedSql(LOOK_FOR_OFFERS, schema)

    /** What has become of an offer: it still stands, though it may be too old to be taken, or a job is in its lease. */
    class Found(val lease: Long, val stands: Boolean, val isOld: Boolean, val isTaken: Boolean)

    /** [session] is the key of a lock that is held as long as somebody hears of it. */
    fun offer(connection: Connection, worker: WorkerId, session: Long, queue: QueueName, lease: Long) {
        offer.query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            this["queue"] = queue.value
            this["session"] = session
            this["lease"] = lease
        }) {}
    }

    /** Returns those that are gone by it; what an enqueuer has a hand on stays. */
    fun withdraw(connection: Connection, leases: Collection<Long>): Set<Long> =
        withdraw.query(connection, { this["leases"] = leases.toLongArray() }) { it.getLong(1) }.toSet()

    /** All of a worker that leaves. It waits for enqueuers that have a hand on one, but not for long. */
    fun withdrawAll(connection: Connection, worker: WorkerId) {
        withdrawFree.query(connection, { this["worker"] = UUID.fromString(worker.value) }) {}
        try {
            withdrawRest.query(connection, { this["worker"] = UUID.fromString(worker.value) }) {}
        } catch (e: SQLException) {
            if (!e.isLockTimeout) throw e
        }
    }

    fun look(connection: Connection, leases: Collection<Long>): List<Found> =
        look.query(connection, { this["leases"] = leases.toLongArray() }) { row ->
            Found(
                row.getLong("lease"), row.getBoolean("stands"), row.getBoolean("is_old"), row.getBoolean("is_taken"),
            )
        }
}

// A worker that was given up, and does not know it yet, offers nothing. The table is not logged: nothing waits for the disk,
// and it takes 65 µs of the server for each job that is handed over.
// language=PostgreSQL
private const val OFFER = """
/* kittiwake: offer */
insert into {schema}.offer (lease_id, queue, worker_id, session)
select :lease, :queue, :worker, :session
where exists (select from {schema}.worker where id = :worker and ended_at is null)
returning lease_id
"""

// Those that nobody has a hand on. Indexes: offer_pkey, or offer_worker_idx for all of a worker.
// language=PostgreSQL
private fun withdrawFree(which: String) = """
delete from {schema}.offer
where ctid = any(array(
    select ctid
    from {schema}.offer
    where $which
    for update skip locked
))
returning lease_id
"""

private val WITHDRAW_OFFERS = "/* kittiwake: withdraw offers */" + withdrawFree("lease_id = any(:leases::bigint[])")

private val WITHDRAW_FREE_OFFERS = "/* kittiwake: withdraw free offers */" + withdrawFree("worker_id = :worker")

// And the others. A transaction that has put a job into one of them may be about to commit: then it is in a lease that is
// given back. Index: offer_worker_idx.
// language=PostgreSQL
private const val WITHDRAW_REST_OF_OFFERS = """
/* kittiwake: withdraw rest of offers */
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
       offer.number is not null as stands,
       offer.number < {schema}.oldest_offer() + 500 as is_old,
       exists (select from {schema}.lease where id = asked.lease) as is_taken
from unnest(:leases::bigint[]) as asked (lease)
left join lateral (
    select number
    from {schema}.offer
    where lease_id = asked.lease
    offset 0
) as offer on true
"""
