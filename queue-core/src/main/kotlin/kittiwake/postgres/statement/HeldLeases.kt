package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.postgres.NamedSql
import kittiwake.store.Completion
import java.sql.ResultSet

// How every statement that ends jobs begins: the leases of :worker that it names. Those that are used up go in the same
// statement; the others are locked against rescue.
// language=PostgreSQL
internal const val TOUCHED_LEASES = """
emptied as materialized (
    delete from {schema}.lease
    where id = any(:emptied::bigint[])
      and worker_id is not distinct from :worker
    returning id, job_ids
),
kept as materialized (
    select id, job_ids
    from {schema}.lease
    where id = any(:kept::bigint[])
      and worker_id is not distinct from :worker
    for key share
)"""

// What :worker holds of them, job by job.
// language=PostgreSQL
internal const val HELD_LEASES = """
$TOUCHED_LEASES,
held as materialized (
    select id, unnest(job_ids) as job_id from emptied
    union all
    select id, unnest(job_ids) from kept
)"""

/** Binds what [TOUCHED_LEASES] need, and the [jobs] to look for in them. */
@OptIn(KittiwakeSpi::class)
internal fun NamedSql.Binding.leases(jobs: List<Completion.End>, emptied: Set<Long>) {
    val leases = LongArray(jobs.size) { jobs[it].claim.lease }
    this["emptied"] = emptied.toLongArray()
    this["kept"] = (leases.toSet() - emptied).toLongArray()
    this["job_ids"] = LongArray(jobs.size) { jobs[it].claim.id.value }
    this["leases"] = leases
}

/** Reads the answer, most often nothing but the news that all are gone: those of [jobs] that are not among them. */
@OptIn(KittiwakeSpi::class)
internal fun <E : Completion.End> notEnded(row: ResultSet, jobs: List<E>): List<E> {
    val gone = row.getArray("gone") ?: return emptyList()

    @Suppress("UNCHECKED_CAST")
    val ids = (gone.array as Array<Long>).toSet()
    return jobs.filterNot { it.claim.id.value in ids }
}
