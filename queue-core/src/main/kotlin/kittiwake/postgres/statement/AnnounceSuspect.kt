package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import java.sql.Connection
import java.util.UUID

/** Writes down which suspect a worker is about to start. */
@OptIn(KittiwakeSpi::class)
internal class AnnounceSuspect(schema: Schema) {
    private val announce = NamedSql(ANNOUNCE_SUSPECT, schema)

    /** False when the claim is lost. */
    fun execute(connection: Connection, claim: ClaimedJob): Boolean = announce
        .query(connection, {
            this["job"] = claim.id.value
            this["lease"] = claim.lease
            this["worker"] = UUID.fromString(claim.worker.value)
        }) { it.getLong("id") }
        .contains(claim.lease)
}

// Marks :job in its lease as the suspect that :worker starts now, and takes that back from the one before, which has
// run but may still be aboard: its end may not be written yet. It is the last word on this until the next suspect: who
// has ended, or was put back, is no longer aboard, and whoever is claimed again is so in another lease. Rare: only jobs
// that were aboard two crashes pay for it. Indexes: lease_pkey, lease_worker_idx, job_pkey.
// language=PostgreSQL
private const val ANNOUNCE_SUSPECT = """
/* kittiwake: announce suspect */
update {schema}.lease
set suspect = case when id = :lease then :job::bigint end
where id = any(array(
    select id
    from {schema}.lease
    where worker_id = :worker
      and suspect is not null
    union
    select :lease
))
  and worker_id is not distinct from :worker
  and (id <> :lease or :job = any(job_ids))
  and exists (select from {schema}.job where job.id = :job)
returning id
"""
