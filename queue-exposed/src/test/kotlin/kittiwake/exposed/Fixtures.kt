package kittiwake.exposed

import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.job
import kittiwake.postgres.Kittiwake
import kittiwake.testing.TestDatabase
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.MutableSharedFlow
import kotlinx.coroutines.flow.filter
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.Serializable
import org.jetbrains.exposed.v1.core.DatabaseConfig
import org.jetbrains.exposed.v1.core.Table
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.SchemaUtils
import org.jetbrains.exposed.v1.jdbc.insert
import org.jetbrains.exposed.v1.jdbc.transactions.TransactionManager
import org.jetbrains.exposed.v1.jdbc.transactions.suspendTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import org.postgresql.PGConnection
import java.sql.ResultSet
import javax.sql.DataSource
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
data class PackArgs(val item: String)

/** The job that goes with an order. */
val pack = job<PackArgs>("pack")

/** Another one, in a queue of its own. */
val bill = job<PackArgs>("bill")

/** What the user's own code throws in these specs. */
class Mishap : RuntimeException("a mishap")

/** Longer than anything here takes, and far shorter than the longest wait of a worker that nobody wakes. */
val SOON = 20.seconds

/**
 * A program with rows of its own: a queue in a fresh schema, a database of Exposed attached to it, and the orders that
 * its transactions place.
 */
class Shop(dataSource: DataSource = TestDatabase.dataSource, configure: DatabaseConfig.Builder.() -> Unit = {}) :
    AutoCloseable {
    val kittiwake: Kittiwake = TestDatabase.kittiwake()
    val schema: String = kittiwake.schema
    val db: Database = Database.connect(dataSource, databaseConfig = DatabaseConfig(configure))
    private val orders = Orders(schema)

    init {
        kittiwake.attach(db)
        transaction(db) { SchemaUtils.create(orders) }
    }

    private class Orders(schema: String) : Table("$schema.orders") {
        val item = text("item")
    }

    /** Writes a row of the user's in the transaction around it. */
    context(_: JdbcTransaction)
    fun place(item: String) {
        orders.insert { it[orders.item] = item }
    }

    /** The orders that are committed, in order of their names. */
    fun orders(): List<String> = committed("select item from $schema.orders order by item") { it.getString(1) }

    /** The items of the unfinished jobs that are committed, in the order of their enqueue. */
    fun jobs(): List<String> =
        committed("select args::jsonb ->> 'item' from $schema.job order by id") { it.getString(1) }

    /** One column of a committed job, as text. */
    fun columnOf(job: JobId, column: String): String? =
        committed("select ($column)::text from $schema.job where id = $job") { it.getString(1) }.single()

    /** What another connection sees of a query. */
    fun <T> committed(sql: String, row: (ResultSet) -> T): List<T> = TestDatabase.connect { connection ->
        connection.createStatement().use { statement ->
            statement.executeQuery(sql).use { rows -> buildList { while (rows.next()) add(row(rows)) } }
        }
    }

    /** Another queue object on the same schema, with connections of its own: what another process would have. */
    fun elsewhere(): Kittiwake {
        val same = schema
        return Kittiwake.connect(TestDatabase.dataSource) { schema = same }
    }

    /** Runs [test] while a worker of [kittiwake] works what [configure] says. */
    suspend fun working(
        kittiwake: Kittiwake = this.kittiwake,
        configure: WorkerBuilder.() -> Unit,
        test: suspend (Witness) -> Unit,
    ) {
        val witness = Witness()
        val worker =
            kittiwake.worker {
                observe(witness)
                shutdownGrace = Duration.ZERO
                configure()
            }
        coroutineScope {
            val run = launch(Dispatchers.Default) { worker.run() }
            test(witness)
            run.cancelAndJoin()
        }
    }

    override fun close() {
        kittiwake.close()
        TransactionManager.closeAndUnregister(db)
    }
}

/** Runs [test] in a [Shop] of its own. */
suspend fun inShop(configure: DatabaseConfig.Builder.() -> Unit = {}, test: suspend Shop.() -> Unit) {
    Shop(configure = configure).use { it.test() }
}

/** The two kinds of transaction that Exposed has, for what must hold in both. */
enum class Form(val title: String) {
    BLOCKING("transaction { }"),
    SUSPENDING("suspendTransaction { }"),
    ;

    suspend fun <T> run(db: Database, block: JdbcTransaction.() -> T): T = when (this) {
        BLOCKING -> transaction(db) { block() }
        SUSPENDING -> suspendTransaction(db) { block() }
    }
}

/** Remembers what happened in a worker. */
class Witness : JobObserver {
    @PublishedApi
    internal val events = MutableSharedFlow<JobEvent>(replay = 1_000)

    override fun on(event: JobEvent) {
        check(events.tryEmit(event))
    }

    /** The first event of that kind, which may have happened before. */
    suspend inline fun <reified E : JobEvent> await(crossinline which: (E) -> Boolean = { true }): E =
        withTimeout(SOON) { events.filter { it is E && which(it) }.first() as E }
}

/**
 * What a sleeping worker is to those who enqueue: it holds the locks that say that somebody sleeps in [queues], and
 * hears the schema's channel.
 */
@OptIn(KittiwakeSpi::class)
class Sleeper(private val shop: Shop, vararg queues: String) : AutoCloseable {
    private val connection = TestDatabase.dataSource.connection

    init {
        connection.createStatement().use { statement ->
            statement.execute("listen kittiwake_${shop.schema}")
            for (queue in queues.toList() + END) {
                statement.execute("select pg_advisory_lock_shared(${shop.schema}.sleep_key('$queue'))")
            }
        }
    }

    /** Waits for one signal. */
    fun awaitSignal(): String = next()

    /**
     * The queues signalled until now, sorted, each as often as it was. Signals are sent one after another by one
     * thread, so what comes before our own last one is all there is; twice, because one commit may carry several.
     */
    fun heard(): List<String> = (untilEnd() + untilEnd()).sorted()

    private fun untilEnd(): List<String> {
        shop.kittiwake.wake(setOf(QueueName(END)))
        return generateSequence(::next).takeWhile { it != END }.toList()
    }

    private val waiting = ArrayDeque<String>()

    private fun next(): String {
        val deadline = System.nanoTime() + SOON.inWholeNanoseconds
        while (waiting.isEmpty()) {
            check(System.nanoTime() < deadline) { "No signal within $SOON" }
            val heard = connection.unwrap(PGConnection::class.java).getNotifications(READ_FOR)
            heard?.forEach { waiting += it.parameter }
        }
        return waiting.removeFirst()
    }

    override fun close() = connection.close()

    private companion object {
        const val END = "the-end"
        val READ_FOR = 500.milliseconds.inWholeMilliseconds.toInt()
    }
}

/** Waits for a fact that somebody else brings about. */
suspend fun <T> CompletableDeferred<T>.awaitSoon(): T = withTimeout(SOON) { await() }
