package bench.limit

import bench.JobWriter
import bench.NoopArgs
import bench.SCHEMA
import bench.noop
import org.postgresql.PGConnection
import java.io.StringReader
import java.sql.Connection
import java.util.concurrent.ThreadLocalRandom

/**
 * Jobs and their tickets written by bare SQL: the rows that an enqueue writes into the same tables, and nothing else.
 * Each writer reads the ids of its jobs, as an enqueue does.
 */
internal object BareInserts {
    /** INSERT and COMMIT. */
    fun oneByOne(connection: Connection): JobWriter = committing(connection, INSERT_ONE)

    /** The same with a NOTIFY in it. */
    fun notifying(connection: Connection): JobWriter = committing(connection, "$INSERT_ONE, $NOTIFY")

    /** The job and its lease, with a NOTIFY that says which. */
    fun handingOver(connection: Connection): JobWriter {
        val insert = connection.prepareStatement(INSERT_HELD)
        return JobWriter { numbers ->
            insert.setString(1, args(numbers.single()))
            insert.setLong(2, ThreadLocalRandom.current().nextLong())
            insert.setObject(3, BareListener.WORKER)
            insert.executeQuery().use { it.next().run { it.getLong(1) } }
            connection.commit()
        }
    }

    private fun committing(connection: Connection, sql: String): JobWriter {
        val insert = connection.prepareStatement(sql)
        return JobWriter { numbers ->
            insert.setString(1, args(numbers.single()))
            insert.executeQuery().use { it.next().run { it.getLong(1) } }
            connection.commit()
        }
    }

    /** INSERT that commits by itself: a round trip less. */
    fun committingThemselves(connection: Connection): JobWriter {
        connection.autoCommit = true
        val insert = connection.prepareStatement(INSERT_ONE)
        return JobWriter { numbers ->
            insert.setString(1, args(numbers.single()))
            insert.executeQuery().use { it.next().run { it.getLong(1) } }
        }
    }

    /** INSERT of an array, and COMMIT. */
    fun arrays(connection: Connection): JobWriter {
        val insert = connection.prepareStatement(INSERT_ARRAY)
        return JobWriter { numbers ->
            val array = connection.createArrayOf("text", Array(numbers.count()) { args(numbers.first + it) })
            insert.setArray(1, array)
            insert.executeQuery().use { row -> while (row.next()) row.getLong(1) }
            connection.commit()
        }
    }

    /** COPY into both tables, with ids drawn before, and COMMIT. */
    fun copies(connection: Connection): JobWriter {
        val draw = connection.prepareStatement(DRAW_IDS)
        val copy = connection.unwrap(PGConnection::class.java).copyAPI
        return JobWriter { numbers ->
            val jobs = StringBuilder()
            val tickets = StringBuilder()
            draw.setInt(1, numbers.count())
            draw.executeQuery().use { row ->
                for (number in numbers) {
                    row.next()
                    val (id, rank) = row.getLong(1) to row.getLong(2)
                    jobs.append(id).append("\tnoop\tnoop\t").append(args(number)).append("\tf\n")
                    tickets.append("noop\t0\t").append(rank).append('\t').append(id).append("\t0\n")
                }
            }
            copy.copyIn(COPY_JOBS, StringReader(jobs.toString()))
            copy.copyIn(COPY_TICKETS, StringReader(tickets.toString()))
            connection.commit()
        }
    }

    private val codec = noop(archive = true).args

    /** The text that an enqueue stores. No tab, no line break and no backslash is in it, so COPY takes it as it is. */
    private fun args(number: Int): String = codec.encode(NoopArgs(number))

    private const val INSERT_ONE = """
        with stored as (
            insert into $SCHEMA.job (name, queue, args, by_hand)
            values ('noop', 'noop', ?, false)
            returning id
        )
        insert into $SCHEMA.ready (queue, lane, rank, job_id, attempt)
        select 'noop', 0, pg_current_xact_id()::text::bigint, id, 0
        from stored
        returning job_id
    """
    private const val INSERT_HELD = """
        with stored as (
            insert into $SCHEMA.job (name, queue, args, by_hand)
            values ('noop', 'noop', ?, false)
            returning id
        )
        insert into $SCHEMA.lease (id, worker_id, job_ids, attempts)
        select ?, ?, array[id], '{1}'
        from stored
        returning job_ids[1], pg_notify('${BareListener.CHANNEL}', lease.id::text)
    """
    private const val NOTIFY = "pg_notify('${BareListener.CHANNEL}', 'noop')"
    private const val INSERT_ARRAY = """
        with stored as (
            insert into $SCHEMA.job (name, queue, args, by_hand)
            select 'noop', 'noop', args, false
            from unnest(?::text[]) as args
            returning id
        )
        insert into $SCHEMA.ready (queue, lane, rank, job_id, attempt)
        select 'noop', 0, (select pg_current_xact_id()::text::bigint), id, 0
        from stored
        returning job_id
    """
    private const val DRAW_IDS = """
        select nextval('$SCHEMA.job_id_seq'), pg_current_xact_id()::text::bigint
        from generate_series(1, ?)
    """
    private const val COPY_JOBS = "copy $SCHEMA.job (id, name, queue, args, by_hand) from stdin"
    private const val COPY_TICKETS = "copy $SCHEMA.ready (queue, lane, rank, job_id, attempt) from stdin"
}
