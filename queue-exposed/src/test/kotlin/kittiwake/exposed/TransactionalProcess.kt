package kittiwake.exposed

import kittiwake.event.JobObserver
import kittiwake.job.job
import kittiwake.postgres.Gate
import kittiwake.postgres.Kittiwake
import kittiwake.postgres.ProcessSettings
import org.jetbrains.exposed.v1.core.Table
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.insert
import org.postgresql.ds.PGSimpleDataSource
import java.sql.Connection
import kotlin.time.Duration.Companion.milliseconds

/** A job that writes a row and then waits at the gate, before its commit, in its first attempt. */
val ship = job<PackArgs>("ship")

/** What `ship` writes: one row an effect, with nothing that keeps it from being there twice. */
class Shipments(schema: String) : Table("$schema.shipment") {
    val item = text("item")
    val attempt = integer("attempt")
}

/** A worker with a transactional handler in a JVM of its own: the main class for a `WorkerProcess`. */
object TransactionalProcess {
    @JvmStatic
    fun main(args: Array<String>) {
        val (url, schema) = args
        val settings = ProcessSettings.of(args.drop(2))
        val dataSource = PGSimpleDataSource().also { it.setURL(url) }
        val gate = Gate(url, schema)
        val shipments = Shipments(schema)
        val db = Database.connect(dataSource)
        val kittiwake = Kittiwake.connect(dataSource) { this.schema = schema }
        kittiwake.attach(db)
        kittiwake
            .worker {
                queue("ship") { concurrency = settings.concurrency }
                handleInTransaction(ship, db) { args ->
                    val mine = attempt
                    shipments.insert {
                        it[item] = args.item
                        it[attempt] = mine
                    }
                    gate.pass(contextOf<JdbcTransaction>().connection.connection as Connection)
                }
                lease = settings.lease
                heartbeatEvery = settings.heartbeatEvery
                rescueEvery = 300.milliseconds
                observe(JobObserver(::println))
            }.runUntilShutdown()
    }
}
