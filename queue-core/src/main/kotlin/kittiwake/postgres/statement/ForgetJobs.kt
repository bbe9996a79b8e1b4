package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kittiwake.store.Completion
import java.sql.Connection
import java.util.UUID

/**
 * Ends completed jobs of which nothing is kept, neither a row in the archive nor a failed attempt: what [EndJobs] would
 * do, without reading them.
 */
@OptIn(KittiwakeSpi::class)
internal class ForgetJobs(schema: Schema) {
    private val forget = NamedSql(FORGET_JOBS, schema)

    /** It answers as [EndJobs.execute] does. */
    fun <E : Completion.End> execute(
        connection: Connection,
        worker: WorkerId,
        jobs: List<E>,
        emptied: Set<Long>,
    ): List<E> = forget
        .query(connection, {
            this["worker"] = UUID.fromString(worker.value)
            leases(jobs, emptied)
        }) { row -> notEnded(row, jobs) }
        .single()
}

// Deletes the given jobs that are in a lease of :worker. What was measured is said at "end jobs". Indexes: lease_pkey,
// job_pkey.
// language=PostgreSQL
private const val FORGET_JOBS = """
/* kittiwake: forget jobs */
with $HELD_LEASES,
gone as materialized (
    delete from {schema}.job
    where id = any(array(
        select ending.job_id
        from unnest(:job_ids::bigint[], :leases::bigint[]) as ending (job_id, lease)
        where (lease, job_id) in (select id, job_id from held)
    ))
    returning id
)
$NOT_ALL_OF_THEM
"""
