package kittiwake.postgres.statement

import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import java.sql.Connection
import kotlin.time.Duration.Companion.minutes

/** Strikes those off the list that ended long ago. */
internal class ForgetWorkers(schema: Schema) {
    private val forget = NamedSql(FORGET_WORKERS, schema)

    fun execute(connection: Connection) {
        forget.query(connection, { this["after"] = FORGOTTEN_AFTER.inWholeMicroseconds }) {}
    }

    private companion object {
        /** Far longer than any statement of a dead worker can still be under way. */
        val FORGOTTEN_AFTER = 10.minutes
    }
}

// Workers that ended long ago, hold nothing any more, and to whom no open transaction can hand anything over.
// language=PostgreSQL
private const val FORGET_WORKERS = """
/* kittiwake: forget workers */
delete from {schema}.worker
where ended_at < clock_timestamp() - :after * interval '1 microsecond'
  and not exists (select from {schema}.lease where worker_id = worker.id)
  and not exists (select from {schema}.offer where worker_id = worker.id)
returning id
"""
