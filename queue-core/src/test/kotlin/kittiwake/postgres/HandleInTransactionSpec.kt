package kittiwake.postgres

import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.event.JobEvent
import kittiwake.job.Ending
import kittiwake.job.JobScope
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.job.limit
import kittiwake.job.never
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.Serializable
import org.postgresql.ds.PGSimpleDataSource
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CountDownLatch
import javax.sql.DataSource
import kotlin.time.Duration.Companion.milliseconds

@Serializable
private class Order(val item: String)

/** Handlers whose effects are rows, with nothing but JDBC. */
class HandleInTransactionSpec :
    FunSpec({
        test("a handler that returns has its writes, the jobs it enqueued and its result in the commit that ends it") {
            inShop {
                val commits = CopyOnWriteArrayList<String>()
                val ended = worked { connection, order ->
                    connection.place(order.item)
                    kittiwake.enqueue(connection, pack, Order("child of ${order.item}"))
                    orders().shouldBeEmpty()
                    commits += connection.transactionId()
                    "${order.item} is placed"
                }
                ended.ending shouldBe Ending.COMPLETED
                ended.result shouldBe "\"tea is placed\""
                orders() shouldBe listOf("tea")
                jobs() shouldBe listOf("child of tea")
                TestDatabase.query("select xmin::text from $schema.orders") shouldBe commits
                TestDatabase.query("select parent_id from $schema.job") shouldBe listOf("${ended.id}")
            }
        }

        test("it can be bound in the worker") {
            inShop {
                val events = RecordedEvents()
                kittiwake.working(events, {
                    queue("pack")
                    handleInTransaction(pack, kittiwake, users) { connection, order -> connection.place(order.item) }
                }) {
                    events.awaitOf<JobEvent.Completed>(kittiwake.submit(pack, Order("tea")).id)
                }
                orders() shouldBe listOf("tea")
            }
        }

        test("a handler that throws leaves no writes, while the retry, the error and the attempt are kept") {
            inShop {
                val ended = worked(attempts = 2) { connection, order ->
                    connection.place("${order.item} $attempt")
                    kittiwake.enqueue(connection, pack, Order("child $attempt"))
                    if (attempt == 1) error("a mishap")
                    "done"
                }
                ended.ending shouldBe Ending.COMPLETED
                ended.failures.single().error shouldContain "a mishap"
                orders() shouldBe listOf("tea 2")
                jobs() shouldBe listOf("child 2")
            }
        }

        for ((way, broken) in mapOf<String, (Connection) -> Unit>(
            "commits" to Connection::commit,
            "rolls back" to Connection::rollback,
            "commits by a text" to { it.run("commit") },
        )) {
            test("a handler that $way does not complete its job, and is told why") {
                inShop {
                    val ended = worked(attempts = 1) { connection, _ ->
                        connection.place("before")
                        broken(connection)
                        connection.place("after")
                        "done"
                    }
                    ended.ending shouldBe Ending.DISCARDED
                    ended.failures.single().error shouldContain "is not the one that it began with"
                    orders() shouldBe if (way == "rolls back") emptyList() else listOf("before")
                }
            }
        }

        test("a handler may go back to a savepoint, and lose only what came after it") {
            inShop {
                val ended = worked { connection, order ->
                    connection.place(order.item)
                    val savepoint = connection.setSavepoint()
                    shouldThrow<SQLException> { connection.run("select 1 / 0") }
                    connection.rollback(savepoint)
                    "done"
                }
                ended.ending shouldBe Ending.COMPLETED
                orders() shouldBe listOf("tea")
            }
        }

        test("a trigger that waits for the commit finds the settings by which the job was ended set back") {
            inShop {
                TestDatabase.execute(
                    """
                    create table $schema.seen (setting text);
                    create function $schema.see() returns trigger language plpgsql as
                        ${'$'}${'$'}begin insert into $schema.seen
                            select current_setting('enable_seqscan') || ' ' || current_setting('plan_cache_mode');
                        return new; end${'$'}${'$'};
                    create constraint trigger see after insert on $schema.orders initially deferred
                        for each row execute function $schema.see()
                    """,
                )
                worked { connection, order ->
                    connection.place(order.item)
                    "done"
                }.ending shouldBe Ending.COMPLETED
                TestDatabase.query("select setting from $schema.seen") shouldBe listOf("on auto")
            }
        }

        test("a handler whose job is cancelled meanwhile keeps nothing") {
            inShop {
                val ended = worked { connection, order ->
                    connection.place(order.item)
                    runBlocking { kittiwake.cancel(id) }
                    "done"
                }
                ended.ending shouldBe Ending.CANCELLED
                orders().shouldBeEmpty()
            }
        }

        test("a handler that takes too long is interrupted, and its writes are undone, even if it goes on") {
            inShop {
                val ended = worked(attempts = 1) { connection, order ->
                    connection.place(order.item)
                    shouldThrow<InterruptedException> { CountDownLatch(1).await() }
                    "done"
                }
                ended.ending shouldBe Ending.DISCARDED
                ended.failures.single().error shouldContain "took longer than its timeout"
                orders().shouldBeEmpty()
            }
        }

        test("a handler that closes its connection does not complete its job, nor leave its writes to the next") {
            TestDatabase.dataSource.connection.use { single ->
                val pooled = object : Connection by single {
                    override fun close() = Unit
                }
                val careless = object : DataSource by TestDatabase.dataSource {
                    override fun getConnection() = pooled
                }
                inShop(handlersOf = careless) {
                    worked(attempts = 2) { connection, order ->
                        connection.place("${order.item} $attempt")
                        if (attempt == 1) connection.close()
                        "done"
                    }.ending shouldBe Ending.COMPLETED
                    orders() shouldBe listOf("tea 2")
                }
                single.autoCommit shouldBe true
            }
        }

        test("the statement that ends its job is not planned anew for each job") {
            val source = PGSimpleDataSource().also {
                it.setURL(TestDatabase.url)
                it.prepareThreshold = 1
            }
            source.connection.use { single ->
                val pooled = object : Connection by single {
                    override fun close() = Unit
                }
                val pool = object : DataSource by source {
                    override fun getConnection() = pooled
                }
                inShop(handlersOf = pool) {
                    repeat(3) { worked { _, _ -> "done" }.ending shouldBe Ending.COMPLETED }
                }
                single.ask(
                    "select custom_plans || ' and ' || generic_plans from pg_prepared_statements " +
                        "where statement like '%complete job%' and statement like '%gone%'",
                ) shouldBe "0 and 3"
            }
        }

        test("a handler's transaction is not marked as long as nothing is in doubt") {
            inShop {
                worked { connection, order ->
                    connection.place(order.item)
                    kittiwake.enqueue(connection, pack, Order("child"))
                    connection.mark()
                }.result shouldBe "\"\""
                worked { connection, _ ->
                    connection.run("savepoint here")
                    connection.mark()
                }.result.shouldNotBeNull() shouldContain "/"
            }
        }

        test("a handler that leaves its connection in auto-commit mode does not complete its job") {
            inShop {
                val ended = worked(attempts = 1) { connection, order ->
                    connection.place(order.item)
                    connection.autoCommit = true
                    "done"
                }
                ended.ending shouldBe Ending.DISCARDED
                ended.failures.single().error shouldContain "is not the one that it began with"
            }
        }

        test("a pool gets each connection back, in the mode it was in") {
            HikariDataSource(HikariConfig().also { it.jdbcUrl = TestDatabase.url }).use { pool ->
                inShop(pool) {
                    worked(attempts = 2) { connection, order ->
                        connection.place(order.item)
                        if (attempt == 1) error("a mishap")
                        "done"
                    }.ending shouldBe Ending.COMPLETED
                    pool.hikariPoolMXBean.activeConnections shouldBe 0
                    pool.connection.use { it.autoCommit shouldBe true }
                    orders() shouldBe listOf("tea")
                }
            }
        }

        test("a worker whose handlers could starve each other of connections is refused") {
            HikariDataSource(HikariConfig().also { it.jdbcUrl = TestDatabase.url }).use { pool ->
                TestDatabase.kittiwake(pool).use { kittiwake ->
                    shouldThrow<IllegalArgumentException> {
                        kittiwake.worker {
                            queue("pack") { concurrency = 10 }
                            handleInTransaction(pack, kittiwake, pool) { _, _ -> }
                        }
                    }.message shouldContain "10 transactional handlers need 11 connections, but the pool has 10"
                    kittiwake.worker {
                        queue("pack") { concurrency = 10 }
                        handleInTransaction(pack, kittiwake, TestDatabase.dataSource) { _, _ -> }
                    }
                }
            }
        }
    })

private val pack = job<Order>("pack")

/** A program with rows of its own, beside its queue. */
private class Shop(val kittiwake: Kittiwake, val users: DataSource) {
    val schema = kittiwake.schema

    private val orders = "$schema.orders"

    init {
        TestDatabase.execute("create table $orders (item text)")
    }

    fun Connection.place(item: String) {
        run("insert into $orders values ('$item')")
    }

    fun orders(): List<String> = TestDatabase.query("select item from $orders order by item")

    fun jobs(): List<String> = TestDatabase.query("select args::json ->> 'item' from $schema.job order by id")

    /** What became of one job for tea that is worked by [block]. */
    suspend fun worked(
        attempts: Int = 20,
        block: JobScope.(connection: Connection, order: Order) -> String,
    ): JobSnapshot {
        val send = job<Order, String>("send") {
            timeout = 1_000.milliseconds
            retry = if (attempts == 1) never else fixed(1.milliseconds).limit(attempts)
            handleInTransaction(kittiwake, users, block)
        }
        return kittiwake.working(RecordedEvents(), {
            queue("send") { concurrency = 2 }
            jobs(send)
        }) {
            kittiwake.awaitEnd(kittiwake.submit(send, Order("tea")).id).shouldNotBeNull()
        }
    }
}

private suspend fun inShop(
    users: DataSource = TestDatabase.dataSource,
    handlersOf: DataSource = users,
    test: suspend Shop.() -> Unit,
) {
    TestDatabase.kittiwake(users).use { Shop(it, handlersOf).test() }
}

private val JobSnapshot.ending: Ending get() = state.shouldBeInstanceOf<JobState.Ended>().ending

private fun Connection.run(sql: String) {
    prepareStatement(sql).use { it.execute() }
}

private fun Connection.ask(sql: String): String = prepareStatement(sql).use {
    it.executeQuery().use { rows -> if (rows.next()) rows.getString(1) else error("No row") }
}

private fun Connection.transactionId(): String = ask("select pg_current_xact_id()")

private fun Connection.mark(): String = ask("select coalesce(current_setting('kittiwake.claim', true), '')")
