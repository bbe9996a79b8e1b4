package chaos.audit

import chaos.history.Business
import chaos.history.Change
import chaos.history.Change.Kind
import chaos.history.Effect
import chaos.history.LifeChange
import chaos.history.Rest
import java.sql.Connection
import java.sql.ResultSet
import java.time.OffsetDateTime
import javax.sql.DataSource
import kotlin.time.Instant
import kotlin.time.toKotlinInstant

/** What the server itself saw, written down by triggers, and what is in its tables at the end. */
class Audit(private val dataSource: DataSource, private val schema: String) {
    /** Puts the triggers and the application's tables in place, beside a schema that is migrated. */
    fun install() {
        val sql = checkNotNull(javaClass.getResource("/chaos/audit.sql")) { "The audit is not in the jar" }.readText()
        dataSource.connection.use { connection ->
            connection.createStatement().use {
                it.execute(sql.replace("{schema}", schema).replace("{accounts}", "$ACCOUNTS"))
            }
        }
    }

    fun changes(): List<Change> = linearized(
        query(CHANGES) { row ->
            Seen(
                Change(
                    order = row.getLong("seq"),
                    at = row.instant("at"),
                    job = row.getLong("job_id"),
                    kind = Kind.valueOf(row.getString("kind")),
                    attempt = row.getInt("attempt"),
                    lease = row.getLong("lease").takeUnless { row.wasNull() },
                    worker = row.getString("worker"),
                    name = row.getString("name"),
                    parent = row.getLong("parent_id").takeUnless { row.wasNull() },
                    key = row.getString("unique_key"),
                    maxAttempts = row.getInt("max_attempts"),
                    due = row.instantOrNull("run_at"),
                    committedAt = row.instant("committed_at"),
                ),
                isEarly = row.getBoolean("is_early"),
            )
        },
    )

    /** A change as the server wrote it down, and whether it could not see the cancellation written down before it. */
    private class Seen(val change: Change, val isEarly: Boolean)

    /**
     * A claim takes no lock on the job, so one that does not see the cancellation yet may be written down after it. It
     * came first.
     */
    private fun linearized(seen: List<Seen>): List<Change> {
        val (early, rest) = seen.partition { it.isEarly }
        val before = early.associate { it.change.job to it.change }
        return rest
            .map { it.change }
            .flatMap { if (it.kind == Kind.CANCELLED) listOfNotNull(before[it.job], it) else listOf(it) }
            .mapIndexed { place, change -> change.copy(order = place.toLong()) }
    }

    fun lives(): List<LifeChange> = query("select seq, at, worker, kind, last_seen from chaos.life order by seq") {
        LifeChange(
            it.getLong("seq"), it.instant("at"), it.getString("worker"),
            LifeChange.Kind.valueOf(it.getString("kind")), it.instant("last_seen"),
        )
    }

    fun businesses(): List<Business> =
        query("select id, jobs from chaos.business order by id") { Business(it.getLong(1), it.getInt(2)) }

    fun effects(): List<Effect> = query("select job, attempt, lease, what from chaos.effect order by job") {
        Effect(it.getLong("job"), it.getInt("attempt"), it.getLong("lease"), it.getString("what"))
    }

    /** Unfinished jobs of which somebody should still hear. */
    fun unfinished(without: Set<String>): Long = dataSource.connection.use { connection ->
        connection.prepareStatement("select count(*) from $schema.job where name <> all(?)").use { statement ->
            statement.setArray(1, connection.createArrayOf("text", without.toTypedArray()))
            statement.executeQuery().use { it.next().run { it.getLong(1) } }
        }
    }

    fun rest(listenersExpected: Int): Rest = Rest(
        ready = ids("select job_id from $schema.ready join $schema.job on job.id = job_id"),
        scheduled = ids("select job_id from $schema.scheduled"),
        leased =
            ids("select job_id from $schema.lease, unnest(job_ids) as job_id join $schema.job on job.id = job_id"),
        jobs = ids("select id from $schema.job"),
        archived =
            query("select id, ending from $schema.archive") { it.getLong("id") to it.getString("ending") }
                .groupBy({ it.first }, { it.second }),
        balance = ids("select sum(balance)::bigint from chaos.account").single(),
        balanceAtFirst = ACCOUNTS * 1000L,
        busyConnections = ids(BUSY).single().toInt(),
        listeners = ids(LISTENERS).single().toInt(),
        listenersExpected = listenersExpected,
        deadlocks = ids("select deadlocks from pg_stat_database where datname = current_database()").single(),
    )

    private fun ids(sql: String): List<Long> = query(sql) { it.getLong(1) }

    private fun <T> query(sql: String, row: (ResultSet) -> T): List<T> =
        dataSource.connection.use { it.query(sql, row) }

    private fun <T> Connection.query(sql: String, row: (ResultSet) -> T): List<T> = createStatement().use { statement ->
        statement.executeQuery(sql).use { rows -> buildList { while (rows.next()) add(row(rows)) } }
    }

    private fun ResultSet.instant(column: String): Instant = checkNotNull(instantOrNull(column)) { "$column is null" }

    private fun ResultSet.instantOrNull(column: String): Instant? =
        getObject(column, OffsetDateTime::class.java)?.toInstant()?.toKotlinInstant()

    companion object {
        const val ACCOUNTS = 10

        // The leases that a statement took jobs out of tell under which one an ending or a return was written. A claim
        // takes out what a cancelled job has left behind, and runs nothing for it: that is no claim of the job. A job that is
        // handed over is claimed in the statement that enqueues it, and the server writes the claim down first.
        private const val CHANGES = """
            select c.seq, c.at, coalesce(pg_xact_commit_timestamp(c.xid::xid), c.at) as committed_at,
                   c.job_id, c.kind, c.attempt,
                   coalesce(not pg_visible_in_snapshot(off.xid, c.snapshot), false) as is_early,
                   coalesce(c.lease, l.lease) as lease,
                   coalesce(c.worker, l.worker) as worker, c.name, c.parent_id, c.unique_key, c.max_attempts, c.run_at
            from chaos.change c
            left join chaos.lease_change l on l.xid = c.xid and l.job_id = c.job_id and c.kind <> 'CLAIMED'
            left join chaos.change off
                   on off.job_id = c.job_id and off.kind = 'CANCELLED' and c.kind = 'CLAIMED' and off.seq < c.seq
            left join chaos.change born
                   on born.job_id = c.job_id and born.kind = 'ENQUEUED' and c.kind = 'CLAIMED' and born.xid = c.xid
            where off.seq is null or not pg_visible_in_snapshot(off.xid, c.snapshot)
            order by greatest(c.seq, born.seq), c.kind = 'CLAIMED'
        """

        // Who polls and beats is busy for milliseconds; who stays so is in the middle of something.
        private const val BUSY = """
            select count(*)
            from pg_stat_activity
            where application_name like 'kittiwake%' and state <> 'idle'
              and state_change < clock_timestamp() - interval '1 second'
        """
        private const val LISTENERS =
            "select count(*) from pg_stat_activity where application_name = 'kittiwake listener'"
    }
}
