package samples.guide

import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kittiwake.exposed.enqueue
import kittiwake.exposed.handleInTransaction
import kittiwake.exposed.savepoint
import kittiwake.job.JobId
import kittiwake.job.job
import kittiwake.postgres.Kittiwake
import kittiwake.postgres.WatchedDataSource
import kittiwake.postgres.handleInTransaction
import kittiwake.store.Cancellation
import kittiwake.worker.Worker
import kotlinx.serialization.Serializable
import org.jetbrains.exposed.v1.core.Table
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.insert
import java.sql.SQLException
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import javax.sql.DataSource
import kotlin.time.Duration.Companion.seconds

/** A worker: which queues, how much at once, who does the work. */
fun imageWorker(kittiwake: Kittiwake, observer: JobObserver): Worker = kittiwake.worker {
    name = "images-1"
    queue("images") { concurrency = 8 }
    queue("mail") { concurrency = 2 }
    jobs(mail)
    handle(thumbnail) { args -> Thumbnail("${args.imageId}-${args.width}.png", bytes = 512) }
    observe(observer)
    shutdownGrace = 20.seconds
}

/** A process that is nothing but a worker: SIGTERM drains it. */
fun workUntilShutdown(worker: Worker) {
    worker.runUntilShutdown()
}

object Ledger : Table("guide_ledger") {
    val orderId = long("order_id").uniqueIndex()
    val cents = long("cents")
}

@Serializable
data class BookArgs(val orderId: Long, val cents: Long)

val book = job<BookArgs>("ledger.book")

/** The handler's rows, the job that it enqueues and the completion: one commit. */
fun ledgerWorker(kittiwake: Kittiwake, db: Database): Worker = kittiwake.worker {
    queue("ledger.book")
    handleInTransaction(book, db) { args ->
        try {
            savepoint {
                Ledger.insert {
                    it[orderId] = args.orderId
                    it[cents] = args.cents
                }
            }
        } catch (e: SQLException) {
            println("Order ${args.orderId} is in the ledger already: ${e.message}")
        }
        mail.enqueue(MailArgs("books@example.org", "Order ${args.orderId}"))
    }
}

/** The same with plain JDBC. */
fun jdbcLedgerWorker(kittiwake: Kittiwake, pool: DataSource): Worker = kittiwake.worker {
    queue("ledger.book")
    handleInTransaction(book, kittiwake, pool) { connection, args ->
        connection.prepareStatement("insert into guide_ledger (order_id, cents) values (?, ?)").use {
            it.setLong(1, args.orderId)
            it.setLong(2, args.cents)
            it.executeUpdate()
        }
        kittiwake.enqueue(connection, mail, MailArgs("books@example.org", "Order ${args.orderId}"))
    }
}

/** A database of Exposed whose handlers in transactions take a round trip less. */
fun watchedDatabase(pool: DataSource): Database = Database.connect(WatchedDataSource(pool))

/** Counts what happened, by the kind of event. */
class EventCounts : JobObserver {
    private val counts = ConcurrentHashMap<String, AtomicInteger>()

    override fun on(event: JobEvent) {
        counts.getOrPut(event::class.simpleName.orEmpty()) { AtomicInteger() }.incrementAndGet()
    }

    operator fun get(kind: String): Int = counts[kind]?.get() ?: 0
}

/** One job: where it is, what went wrong so far; and calling it off. */
suspend fun callOff(kittiwake: Kittiwake, id: JobId): String {
    val before = kittiwake.find(id) ?: return "there is no job $id"
    return when (val answer = kittiwake.cancel(id)) {
        is Cancellation.Cancelled -> "cancelled; it was ${before.state}, failures so far: ${before.failures}"
        is Cancellation.AlreadyEnded -> "too late: ${answer.ending} at ${answer.at}"
        is Cancellation.NotFound -> "it is forgotten"
    }
}
