package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import java.sql.Connection
import java.util.UUID

/** Tells what had become of attempts whose completion changed nothing: an earlier statement's answer may have been lost. */
@OptIn(KittiwakeSpi::class)
internal class WrittenBefore(schema: Schema) {
    private val look = NamedSql(WRITTEN_BEFORE, schema)

    /**
     * How those of [claims] ended whose end [worker] has written: "completed", "discarded" or "failed". What leaves no
     * trace is not among them: a release, a snooze, an ending that is not archived.
     */
    fun execute(connection: Connection, worker: WorkerId, claims: List<ClaimedJob>): Map<JobId, String> = look
        .query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            array("job_ids", "int8", claims.map { it.id.value })
            array("attempts", "int4", claims.map { it.attempt })
        }) { JobId(it.getLong("job_id")) to it.getString("how") }
        .toMap()
}

// What a worker writes says how long it took; what a rescuer writes in its name does not. Indexes: archive_id_idx,
// attempt_pkey.
// language=PostgreSQL
private const val WRITTEN_BEFORE = """
/* kittiwake: written before */
select written.job_id, how.how
from unnest(:job_ids::bigint[], :attempts::smallint[]) as written (job_id, attempt)
cross join lateral (
    select ending as how
    from {schema}.archive
    where archive.id = written.job_id
      and archive.attempt = written.attempt
      and archive.worker_id = :worker
      and archive.took is not null
    union all
    select 'failed'
    from {schema}.attempt
    where attempt.job_id = written.job_id
      and attempt.attempt = written.attempt
      and attempt.worker_id = :worker
      and attempt.took is not null
) as how
"""
