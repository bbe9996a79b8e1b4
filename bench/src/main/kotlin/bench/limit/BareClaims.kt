package bench.limit

import bench.SCHEMA
import bench.Server
import java.sql.Connection
import java.sql.PreparedStatement
import java.util.UUID
import java.util.concurrent.ThreadLocalRandom
import javax.sql.DataSource

/** Jobs that were claimed together. */
internal class Batch(val lease: Long, val ids: List<Long>, val args: List<String>)

private class Ticket(val rank: Long, val job: Long) : Comparable<Ticket> {
    override fun compareTo(other: Ticket): Int =
        if (rank == other.rank) job.compareTo(other.job) else rank.compareTo(other.rank)
}

/**
 * Claims and completes by bare SQL, on one connection: the tickets in the order of their key from an exact bound, each
 * locked before it is taken, one lease row a batch, a fence by lease and worker. This is the design as one writes it by
 * hand; no heartbeat, no rescue, no other priorities, no job that fails.
 */
internal class BareClaims(private val connection: Connection, private val worker: UUID, archive: Boolean) {
    private val claim = connection.prepareStatement("with $CLAIM")
    private val complete = connection.prepareStatement("with ${ending(archive)} select count(*) from gone")
    private val both = connection.prepareStatement("with ${ending(archive)}, $CLAIM")
    private val held = connection.prepareStatement(HELD)
    private var lease = 0L

    /** Where the last ticket lay that was taken. */
    private var bound = Ticket(0, 0)

    /** Transactions that were running when the bound passed them. */
    private var late: List<Long> = emptyList()

    /** Begins without a bound, as a worker that was just started. */
    fun startAgain() {
        bound = Ticket(0, 0)
        late = emptyList()
    }

    fun claim(limit: Int): Batch {
        bindClaim(claim, after = 0, limit)
        return read(claim, limit)
    }

    /** What somebody else has put into a lease of this worker. */
    fun held(lease: Long): Batch {
        held.setLong(1, lease)
        return held.executeQuery().use {
            it.next().run { Batch(lease, listOf(it.getLong(1)), listOf(it.getString(2))) }
        }
    }

    fun complete(batch: Batch) {
        bindEnd(complete, batch)
        complete.executeQuery().use { row ->
            row.next()
            check(row.getInt(1) == batch.ids.size) { "${row.getInt(1)} of ${batch.ids.size} jobs were still ours" }
        }
    }

    /** Completes what was claimed before, and claims more: one statement, one commit. */
    fun completeAndClaim(done: Batch, limit: Int): Batch {
        bindEnd(both, done)
        bindClaim(both, after = END_PARAMETERS, limit)
        return read(both, limit)
    }

    private fun bindClaim(statement: PreparedStatement, after: Int, limit: Int) {
        lease = ThreadLocalRandom.current().nextLong()
        statement.setArray(after + 1, connection.createArrayOf("int8", late.toTypedArray()))
        statement.setInt(after + 2, limit)
        statement.setLong(after + 3, bound.rank)
        statement.setLong(after + 4, bound.job)
        statement.setInt(after + 5, limit)
        statement.setLong(after + 6, lease)
        statement.setObject(after + 7, worker)
    }

    private fun bindEnd(statement: PreparedStatement, batch: Batch) {
        statement.setLong(1, batch.lease)
        statement.setObject(2, worker)
        statement.setArray(3, connection.createArrayOf("int8", batch.ids.toTypedArray()))
    }

    private fun read(statement: PreparedStatement, limit: Int): Batch {
        val ids = ArrayList<Long>(limit)
        val args = ArrayList<String>(limit)
        val before = bound
        var snapshot = ""
        var behind = 0
        statement.executeQuery().use { row ->
            while (row.next()) {
                val ticket = Ticket(row.getLong(1), row.getLong(2))
                args += row.getString(3)
                if (ids.isEmpty()) snapshot = row.getString(4)
                if (ticket <= before) behind++
                ids += ticket.job
                bound = maxOf(bound, ticket)
            }
        }
        if (ids.isNotEmpty()) remember(snapshot, mayBeMore = behind >= limit)
        return Batch(lease, ids, args)
    }

    /** Which transactions were running below the bound; and, when the batch was full of late ones, those before too. */
    private fun remember(snapshot: String, mayBeMore: Boolean) {
        val running = snapshot.substringAfterLast(':').split(',').filter { it.isNotEmpty() }.map(String::toLong)
        val below = running.filter { it < bound.rank }
        late = if (mayBeMore) (below + late).distinct() else below
    }

    internal companion object {
        /** As the engine's own sessions: plans that do not hang on statistics of tables that were empty a while ago. */
        fun connect(source: DataSource): Connection = source.connection.apply {
            createStatement().use {
                it.execute("set plan_cache_mode = force_generic_plan")
                it.execute("set enable_seqscan = off")
                it.execute("set enable_bitmapscan = off")
                it.execute("set jit = off")
            }
        }

        /** Where the jobs of a run go when they are done. Upkeep does it in real life. */
        fun prepareArchive(server: Server) {
            for (days in 7..8) server.execute("select $SCHEMA.prepare_archive((now() + interval '$days days')::date)")
        }

        private const val END_PARAMETERS = 3

        private const val HELD =
            "select id, args from $SCHEMA.job where id = (select job_ids[1] from $SCHEMA.lease where id = ?)"

        private fun ending(archive: Boolean) = if (archive) "${end("*")}, $ARCHIVE" else end("id")

        // A worker is compared in a way no index serves, as the engine does.
        private fun end(answer: String) = """
            ended as materialized (
                delete from $SCHEMA.lease
                where id = ? and worker_id is not distinct from ?
                returning worker_id
            ),
            gone as materialized (
                delete from $SCHEMA.job
                where id = any(?::bigint[]) and (select count(*) from ended) > 0
                returning $answer
            )
        """

        private const val ARCHIVE = """
            archived as (
                insert into $SCHEMA.archive (id, name, queue, priority, args, ending, attempt, max_attempts, worker_id,
                                             took, enqueued_at, ended_at, keep_until)
                select id, name, queue, priority, args, 'completed', 1, max_attempts, (select worker_id from ended),
                       interval '1 microsecond', enqueued_at, now(), now() + interval '7 days'
                from gone
            )
        """
        private const val CLAIM = """
            late as materialized (
                select ctid from $SCHEMA.ready
                where queue = 'noop' and lane = 0 and rank = any(?::bigint[])
                order by rank, job_id
                limit ?
                for update skip locked
            ),
            fresh as materialized (
                select ctid from $SCHEMA.ready
                where queue = 'noop' and lane = 0 and (rank, job_id) > (?, ?)
                order by rank, job_id
                limit ?
                for update skip locked
            ),
            taken as materialized (
                delete from $SCHEMA.ready
                where ctid = any(array(select ctid from late union all select ctid from fresh))
                returning rank, job_id, attempt
            ),
            leased as (
                insert into $SCHEMA.lease (id, worker_id, job_ids, attempts)
                select ?, ?, array_agg(job_id), array_agg((attempt + 1)::smallint)
                from taken
                having count(*) > 0
            )
            select rank, job_id, args, pg_current_snapshot()::text
            from taken
            full join (
                select id, args from $SCHEMA.job where id = any(array(select job_id from taken)) offset 0
            ) as job on id = job_id
        """
    }
}
