package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.JobId
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Completion
import java.sql.Connection
import java.util.UUID

/**
 * Tells completions that had been written before, by a statement whose answer was lost, from those that came too late.
 */
@OptIn(KittiwakeSpi::class)
internal class WrittenBefore(schema: Schema) {
    private val look = NamedSql(WRITTEN_BEFORE, schema)

    /**
     * Those of [jobs] whose ending or failure [worker] has written. What leaves no trace is not among them: a release,
     * a snooze, an ending that is not archived.
     */
    fun execute(connection: Connection, worker: WorkerId, jobs: List<Completion>): Set<JobId> = look
        .query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            array("job_ids", "int8", jobs.map { it.claim.id.value })
            array("attempts", "int4", jobs.map { it.claim.attempt })
        }) { JobId(it.getLong("job_id")) }
        .toSet()
}

// What a worker writes says how long it took; what a rescuer writes in its name does not. Indexes: archive_id_idx,
// attempt_pkey.
// language=PostgreSQL
private const val WRITTEN_BEFORE = """
/* kittiwake: written before */
select written.job_id
from unnest(:job_ids::bigint[], :attempts::smallint[]) as written (job_id, attempt)
where exists (
        select from {schema}.archive
        where archive.id = written.job_id
          and archive.attempt = written.attempt
          and archive.worker_id = :worker
          and archive.took is not null
      )
   or exists (
        select from {schema}.attempt
        where attempt.job_id = written.job_id
          and attempt.attempt = written.attempt
          and attempt.worker_id = :worker
          and attempt.took is not null
      )
"""
