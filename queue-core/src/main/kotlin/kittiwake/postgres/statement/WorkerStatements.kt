package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Pulse
import java.net.InetAddress
import java.sql.Connection
import java.util.UUID
import kotlin.time.Duration

/** Takes a worker into the list of the living. */
internal class JoinWorkers(schema: Schema) {
    private val join = NamedSql(JOIN_WORKERS, schema)

    fun execute(connection: Connection, worker: WorkerId, name: String, queues: Set<QueueName>, lease: Duration) {
        join.query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            this["name"] = name
            this["host"] = host
            this["pid"] = ProcessHandle.current().pid()
            array("queues", "text", queues.map { it.value })
            this["lease"] = lease.inWholeMicroseconds
        }) {}
    }

    private companion object {
        val host: String by lazy { runCatching { InetAddress.getLocalHost().hostName }.getOrDefault("unknown") }
    }
}

/** The sign of life. */
@OptIn(KittiwakeSpi::class)
internal class Beat(schema: Schema) {
    private val beat = NamedSql(BEAT, schema)

    fun execute(connection: Connection, worker: WorkerId, running: Set<JobId>): Pulse = beat
        .query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            array("running", "int8", running.map { it.value })
        }) { row ->
            Pulse(
                alive = row.getBoolean("alive"),
                stopRequested = row.getBoolean("stop_requested"),
                cancelled = (row.getArray("cancelled").array as Array<*>).mapTo(mutableSetOf()) { JobId(it as Long) },
            )
        }.single()
}

/** Asks a worker to stop. */
internal class StopWorker(schema: Schema) {
    private val stop = NamedSql(STOP_WORKER, schema)

    fun execute(connection: Connection, worker: WorkerId): Boolean =
        stop.query(connection, { this["worker"] = UUID.fromString(worker.value) }) { it.getObject("id") }.isNotEmpty()
}

/** Takes a turn at a task of upkeep. */
internal class TakeTurn(schema: Schema) {
    private val takeTurn = NamedSql(TAKE_TURN, schema)

    fun execute(connection: Connection, task: String, everyMicroseconds: Long): Boolean = takeTurn
        .query(connection, {
            this["task"] = task
            this["every"] = everyMicroseconds
        }) { it.getString("task") }
        .isNotEmpty()
}

// Who repeats it because the answer was lost is alive now, unless it has been given up meanwhile. It runs once for
// each worker id.
// language=PostgreSQL
private const val JOIN_WORKERS = """
/* kittiwake: join workers */
insert into {schema}.worker as present (id, name, host, pid, queues, lease)
values (:worker, :name, :host, :pid, :queues, :lease * interval '1 microsecond')
on conflict (id) do update set seen_at = clock_timestamp() where present.ended_at is null
returning id
"""

// Keeps all claims of :worker, unless it has been given up for dead. Of its running jobs it asks only those whose row
// is gone: somebody cancelled them, or their completion was written a moment ago. Indexes: worker_pkey, job_pkey,
// archive_id_idx. Without running jobs it takes 0.12 ms, with 64 of them 0.22 to 0.26, with ten thousand 11.
// language=PostgreSQL
private const val BEAT = """
/* kittiwake: beat */
with beat as (
    update {schema}.worker
    set seen_at = clock_timestamp()
    where id = :worker
      and ended_at is null
    returning stop_requested_at is not null as stop_requested
),
gone as materialized (
    select running.id
    from unnest(:running::bigint[]) as running (id)
    where not exists (select from {schema}.job where job.id = running.id)
)
select exists (select from beat) as alive,
       coalesce((select stop_requested from beat), false) as stop_requested,
       array(
           select gone.id
           from gone
           where exists (select from {schema}.archive where archive.id = gone.id and ending = 'cancelled')
       ) as cancelled
"""

// language=PostgreSQL
private const val STOP_WORKER = """
/* kittiwake: stop worker */
update {schema}.worker
set stop_requested_at = clock_timestamp()
where id = :worker
  and ended_at is null
returning id
"""

// A row comes back: it is the caller's turn. If it dies meanwhile, the next turn comes anyway. The table has a
// handful of rows.
// language=PostgreSQL
private const val TAKE_TURN = """
/* kittiwake: take turn */
update {schema}.upkeep_turn
set next_at = clock_timestamp() + :every * interval '1 microsecond'
where task = :task
  and next_at <= clock_timestamp()
returning task
"""
