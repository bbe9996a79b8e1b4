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
            leases(jobs.filter { it.claim.lease !in emptied }, emptied)
            this["asked"] = jobs.size
        }) { row -> notEnded(row, jobs) }
        .single()
}

// Deletes the given jobs that are in a lease of :worker. Of a lease that is used up all that is left in it is among them,
// so it says itself which they are: it need not be asked for each. When more jobs are there in all than were asked for,
// nothing is deleted. Indexes: lease_pkey, job_pkey.
//
// 500 jobs of one lease, as the client sees it: 2.3 µs a job when each is looked for in the lease, 1.6 when the lease is
// used up; of the server 0.7 less. The rest was measured at "end jobs".
// language=PostgreSQL
private const val FORGET_JOBS = """
/* kittiwake: forget jobs */
with $TOUCHED_LEASES,
gone as materialized (
    delete from {schema}.job
    where id = any(array(
        select unnest(job_ids)
        from emptied
        union all
        select ending.job_id
        from unnest(:job_ids::bigint[], :leases::bigint[]) as ending (job_id, lease)
        where (lease, job_id) in (select id, unnest(job_ids) from kept)
    ))
    returning id
)
select case
    when count(*) < :asked then coalesce(array_agg(id), '{}')
    when count(*) > :asked then array[('kittiwake: leases said to be used up hold ' || count(*) || ' jobs')::bigint]
end as gone
from gone
"""
