package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.job.AttemptFailure
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobName
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import java.sql.Connection
import java.sql.ResultSet
import kotlin.time.Instant

/** Looks one job up, unfinished or ended. */
@OptIn(KittiwakeSpi::class)
internal class FindJob(schema: Schema) {
    private val find = NamedSql(FIND_JOB, schema)

    fun execute(connection: Connection, id: JobId): JobSnapshot? =
        find.query(connection, { this["id"] = id.value }, ::snapshot).firstOrNull()

    private fun snapshot(row: ResultSet): JobSnapshot {
        val past = row.getString("failures")?.let { Json.decodeFromString<List<Past>>(it) }.orEmpty()
        val state = state(row)
        val attempts = row.getInt("attempt")
        val last = (state as? JobState.Ended)?.let { ended ->
            row.getString("error")?.let { AttemptFailure(attempts, ended.at, it) }
        }
        return JobSnapshot(
            id = JobId(row.getLong("id")),
            name = JobName(row.getString("name")),
            queue = QueueName(row.getString("queue")),
            priority = row.getInt("priority"),
            args = row.getString("args"),
            state = state,
            attempts = attempts,
            maxAttempts = row.getInt("max_attempts"),
            enqueuedAt = row.instant("enqueued_at"),
            metadata = row.getString("metadata")?.let { Json.decodeFromString<Map<String, String>>(it) }.orEmpty(),
            parent = row.longOrNull("parent_id")?.let(::JobId),
            result = row.getString("result"),
            failures = past.map { it.toFailure() } + listOfNotNull(last),
        )
    }

    private fun state(row: ResultSet): JobState {
        row.getString("ending")?.let { return JobState.Ended(Ending.valueOf(it.uppercase()), row.instant("ended_at")) }
        row.getString("worker_id")?.let { worker ->
            return JobState.Running(WorkerId(worker), row.getInt("attempt"), row.instant("claimed_at"))
        }
        return row.instantOrNull("due_at")?.let { JobState.Scheduled(it) } ?: JobState.Ready
    }

    @Serializable
    private class Past(val attempt: Int, val at: String, val error: String) {
        fun toFailure() = AttemptFailure(attempt, Instant.parse(at), error)
    }
}

// The job by its id: from job with wherever its ticket lies, or else from the archive.
// Indexes: job_pkey, scheduled_pkey, attempt_pkey, archive_id_idx. Leases are few: one row a batch.
// language=PostgreSQL
private const val FIND_JOB = """
/* kittiwake: find job */
with held as materialized (
    select worker_id, claimed_at, attempts[array_position(job_ids, :id)] as attempt
    from {schema}.lease
    where :id = any(job_ids)
)
select job.id, job.name, job.queue, job.priority, job.args, job.max_attempts, job.enqueued_at, job.metadata,
       job.parent_id, null as result, null as error, null as ending, null::timestamptz as ended_at,
       (select worker_id from held) as worker_id, (select claimed_at from held) as claimed_at,
       scheduled.run_at as due_at,
       coalesce(
           (select attempt from held),
           scheduled.attempt,
           (select max(attempt) from {schema}.attempt where job_id = job.id),
           0
       ) as attempt,
       (select json_agg(json_build_object('attempt', attempt, 'at', ended_at, 'error', error) order by attempt)::text
        from {schema}.attempt
        where job_id = job.id) as failures
from {schema}.job
left join {schema}.scheduled on scheduled.job_id = job.id
where job.id = :id
union all
select id, name, queue, priority, args, max_attempts, enqueued_at, metadata, parent_id,
       result, error, ending, ended_at, null, null, null, attempt, failures
from {schema}.archive
where id = :id
"""
