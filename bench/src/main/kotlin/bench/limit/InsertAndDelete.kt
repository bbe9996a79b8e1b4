package bench.limit

import bench.ARGS_TEXT
import bench.Backlog
import bench.Bench
import bench.Contender
import bench.Cost
import bench.Effect
import bench.Meter
import bench.SCHEMA
import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.insert
import org.jetbrains.exposed.v1.jdbc.transactions.TransactionManager
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.sql.Connection
import java.sql.PreparedStatement
import java.util.UUID
import java.util.concurrent.Callable
import java.util.concurrent.Executors

/**
 * A transaction for each job that inserts a row and deletes the job, if it is in a lease of this worker: what a
 * transactional handler has to do. The jobs are in leases before the clock starts.
 *
 * Each thread has a connection of its own, and prepares its statements once; or the transaction and the insert are those
 * of Exposed ([inExposed]), on a pool, as Exposed is used.
 */
internal class InsertAndDelete(private val bench: Bench, private val threads: Int, inExposed: Boolean = false) :
    Contender {
    /** After 40,000 the client took 70 µs for a job, as it does later. */
    override val warmUp = 60_000

    private val worker = UUID.randomUUID()
    private val meter = Meter(bench.server.dataSource)
    private val connections = List(threads) { bench.server.dataSource.connection.also(::prepare) }
    private val pool = if (inExposed) pool(threads) else null
    private val db = pool?.let { Database.connect(it) }
    private val executor = Executors.newFixedThreadPool(threads) { Thread(it).apply { isDaemon = true } }

    private class Held(val lease: Long, val job: Long, val number: Int)

    override fun bite(numbers: IntRange): Cost {
        Backlog(bench.server).hold(numbers, worker, together = threads)
        val shares = held().run { chunked((size + threads - 1) / threads) }
        val tasks = shares.mapIndexed { i, share ->
            Callable { if (db != null) work(db, share) else work(connections[i], share) }
        }
        val start = meter.read()
        executor.invokeAll(tasks).forEach { it.get() }
        return meter.between(start, meter.read(System.nanoTime())).also {
            bench.server.execute("delete from $SCHEMA.lease where worker_id = '$worker'")
        }
    }

    private fun held(): List<Held> = bench.server.dataSource.connection.use { connection ->
        connection.createStatement().executeQuery(HELD.replace(":worker", "'$worker'")).use { row ->
            generateSequence { if (row.next()) Held(row.getLong(1), row.getLong(2), row.getInt(3)) else null }.toList()
        }
    }

    private fun work(connection: Connection, share: List<Held>) {
        connection.prepareStatement(Effect.INSERT).use { insert ->
            connection.prepareStatement(DELETE).use { delete ->
                for (job in share) {
                    insert.setInt(1, job.number)
                    insert.setString(2, ARGS_TEXT)
                    insert.executeUpdate()
                    delete(delete, job)
                    connection.commit()
                }
            }
        }
    }

    private fun work(db: Database, share: List<Held>) {
        for (job in share) {
            transaction(db) {
                Effect.insert {
                    it[number] = job.number
                    it[text] = ARGS_TEXT
                }
                (connection.connection as Connection).prepareStatement(DELETE).use { delete(it, job) }
            }
        }
    }

    private fun delete(statement: PreparedStatement, job: Held) {
        statement.setLong(1, job.job)
        statement.setLong(2, job.job)
        statement.setLong(3, job.lease)
        statement.setObject(4, worker)
        statement.setLong(5, job.job)
        check(statement.executeUpdate() == 1) { "Job ${job.job} is not in lease ${job.lease}" }
    }

    override fun close() {
        executor.shutdown()
        connections.forEach { it.close() }
        db?.let(TransactionManager::closeAndUnregister)
        pool?.close()
        meter.close()
    }

    private fun prepare(connection: Connection) {
        connection.createStatement().use { it.execute(BY_INDEX) }
        connection.autoCommit = false
    }

    private fun pool(connections: Int) = HikariConfig().run {
        dataSource = bench.server.dataSource
        maximumPoolSize = connections
        isAutoCommit = false
        connectionInitSql = BY_INDEX
        HikariDataSource(this)
    }

    private companion object {
        /** As in ours: a plan that is made while the tables are small goes through them row by row. */
        const val BY_INDEX = "set enable_seqscan = off"
        const val HELD = """
            select lease.id, job.id, (job.args::json ->> 'number')::int
            from $SCHEMA.lease
            cross join lateral unnest(job_ids) as held (id)
            join $SCHEMA.job on job.id = held.id
            where worker_id = :worker
            order by job.id
        """

        /** The fence of ours: it locks nothing, and compares the worker in a way that walks no index of all its leases. */
        const val DELETE = """
            delete from $SCHEMA.job
            where id = ?
              and taken_back = (select taken_back from $SCHEMA.job where id = ?)
              and exists (
                  select from $SCHEMA.lease
                  where id = ? and worker_id is not distinct from ? and ? = any(job_ids)
              )
        """
    }
}
