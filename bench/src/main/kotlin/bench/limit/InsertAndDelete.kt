package bench.limit

import bench.Backlog
import bench.Bench
import bench.Meter
import bench.SCHEMA
import bench.Sample
import bench.Tables
import bench.question.Handlers
import bench.worker.Effect
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
 * A transaction for each job that inserts a row and deletes the job, if it is in a lease of this worker: the least that
 * a transactional handler can do. The jobs are in leases before the clock starts.
 *
 * Each thread has a connection of its own, and prepares its statements once; or the transaction and the insert are those
 * of Exposed ([inExposed]), on a pool, as Exposed is used.
 */
internal class InsertAndDelete(private val tables: Tables, private val inExposed: Boolean = false) {
    private val worker = UUID.randomUUID()

    private class Held(val lease: Long, val job: Long, val number: Int)

    fun measure(bench: Bench, threads: Int): Sample {
        val jobs = bench.options.jobs ?: Handlers.JOBS
        bench.server.execute(Effect.CREATE)
        Backlog(bench.server).wait(Handlers.WARM_UP + jobs, archive = false)
        bench.server.execute(LEASES.replace(":worker", "'$worker'").replace(":threads", "$threads"))
        bench.server.execute("delete from $SCHEMA.ready")
        bench.server.settle()
        val held = held(bench)
        val connections = List(threads) { bench.server.dataSource.connection.apply { autoCommit = false } }
        val pool = if (inExposed) pool(bench, threads) else null
        val db = pool?.let { Database.connect(it) }
        val executor = Executors.newFixedThreadPool(threads)

        fun work(all: List<Held>) {
            val shares = all.chunked((all.size + threads - 1) / threads)
            val tasks = shares.mapIndexed { i, share ->
                Callable { if (db != null) work(db, share) else work(connections[i], share) }
            }
            executor.invokeAll(tasks).forEach { it.get() }
        }
        Meter(bench.server.dataSource).use { meter ->
            work(held.take(Handlers.WARM_UP))
            val start = meter.read()
            work(held.drop(Handlers.WARM_UP))
            val cost = meter.between(start, meter.read(System.nanoTime()))
            connections.forEach { it.close() }
            db?.let(TransactionManager::closeAndUnregister)
            pool?.close()
            executor.shutdown()
            bench.server.execute("truncate $SCHEMA.lease")
            tables.checkNothingLeft()
            return Sample(mapOf("jobs/s" to jobs / cost.seconds) + cost.perJob(jobs))
        }
    }

    private fun held(bench: Bench): List<Held> = bench.server.dataSource.connection.use { connection ->
        connection.createStatement().executeQuery(HELD).use { row ->
            generateSequence { if (row.next()) Held(row.getLong(1), row.getLong(2), row.getInt(3)) else null }.toList()
        }
    }

    private fun work(connection: Connection, share: List<Held>) {
        connection.prepareStatement(Effect.INSERT).use { insert ->
            connection.prepareStatement(DELETE).use { delete ->
                for (job in share) {
                    insert.setInt(1, job.number)
                    insert.setString(2, TEXT)
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
                    it[text] = TEXT
                }
                (connection.connection as Connection).prepareStatement(DELETE).use { delete(it, job) }
            }
        }
    }

    private fun delete(statement: PreparedStatement, job: Held) {
        statement.setLong(1, job.job)
        statement.setLong(2, job.lease)
        statement.setObject(3, worker)
        statement.setLong(4, job.job)
        check(statement.executeUpdate() == 1) { "Job ${job.job} is not in lease ${job.lease}" }
    }

    private fun pool(bench: Bench, connections: Int) = HikariConfig().run {
        dataSource = bench.server.dataSource
        maximumPoolSize = connections
        isAutoCommit = false
        HikariDataSource(this)
    }

    private companion object {
        const val TEXT = "an address, a file name or two, an id of something that lies elsewhere"
        const val LEASES = """
            insert into $SCHEMA.lease (id, worker_id, job_ids, attempts)
            select id / :threads, :worker, array_agg(id), array_agg(1)
            from $SCHEMA.job
            group by id / :threads
        """
        const val HELD = """
            select lease.id, job.id, (job.args::json ->> 'number')::int
            from $SCHEMA.lease
            cross join lateral unnest(job_ids) as held (id)
            join $SCHEMA.job on job.id = held.id
            order by job.id
        """
        const val DELETE = """
            delete from $SCHEMA.job
            where id = ?
              and exists (
                  select from $SCHEMA.lease
                  where id = ? and worker_id = ? and ? = any(job_ids)
                  for key share
              )
        """
    }
}
