package kittiwake.exposed

import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.comparables.shouldBeGreaterThan
import io.kotest.matchers.comparables.shouldBeLessThan
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.string.shouldNotContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.NoTransactionException
import kittiwake.SchemaException
import kittiwake.enqueue.EnqueueOptions
import kittiwake.enqueue.JobRef
import kittiwake.job.JobState
import kittiwake.job.job
import kittiwake.postgres.Kittiwake
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.withContext
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.suspendTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.sql.SQLException
import java.util.concurrent.CompletableFuture
import kotlin.coroutines.CoroutineContext
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant

class ExposedEnqueueSpec :
    FunSpec({
        context("commit and rollback") {
            for (form in Form.entries) {
                test("a job is committed with the rows of its transaction: ${form.title}") {
                    inShop {
                        Sleeper(this, "pack").use { sleeper ->
                            val ref =
                                form.run(db) {
                                    place("tea")
                                    pack.enqueue(PackArgs("tea")).also { jobs().shouldBeEmpty() }
                                }
                            orders() shouldBe listOf("tea")
                            jobs() shouldBe listOf("tea")
                            ref.isNew shouldBe true
                            kittiwake.find(ref.id).shouldNotBeNull().state shouldBe JobState.Ready
                            sleeper.heard() shouldBe listOf("pack")
                        }
                    }
                }

                test("a job of a transaction that rolls back has never been, and nobody is woken: ${form.title}") {
                    inShop {
                        Sleeper(this, "pack").use { sleeper ->
                            shouldThrow<Mishap> {
                                form.run(db) {
                                    place("tea")
                                    pack.enqueue(PackArgs("tea"))
                                    throw Mishap()
                                }
                            }
                            orders().shouldBeEmpty()
                            jobs().shouldBeEmpty()
                            committed("select job_id from $schema.ready") { it.getLong(1) }.shouldBeEmpty()
                            sleeper.heard().shouldBeEmpty()
                        }
                    }
                }
            }
        }

        context("where it can be called") {
            test("in a function that asks for a transaction around it") {
                inShop {
                    transaction(db) { placeOrder("tea") }
                    orders() shouldBe listOf("tea")
                    jobs() shouldBe listOf("tea")
                }
            }

            test("with the transaction in a variable") {
                inShop {
                    transaction(db) {
                        val tx: JdbcTransaction = this
                        tx.enqueue(pack, PackArgs("tea")) { priority = 3 }
                        tx.enqueueAll(pack, listOf(PackArgs("milk"), PackArgs("salt")))
                    }
                    jobs() shouldBe listOf("tea", "milk", "salt")
                }
            }

            test("the innermost of two databases is the one whose queue gets the job") {
                inShop {
                    val near = this
                    inShop {
                        transaction(db) { transaction(near.db) { pack.enqueue(PackArgs("tea")) } }
                        jobs().shouldBeEmpty()
                        near.jobs() shouldBe listOf("tea")
                    }
                }
            }

            test("an outer transaction of another database is reached by its name") {
                inShop {
                    val near = this
                    inShop {
                        transaction(db) outer@{ transaction(near.db) { this@outer.enqueue(pack, PackArgs("tea")) } }
                        jobs() shouldBe listOf("tea")
                        near.jobs().shouldBeEmpty()
                    }
                }
            }
        }

        context("options") {
            test("delay counts from the enqueue by the database's clock") {
                inShop {
                    val job = kittiwake.find(enqueueTea { delay = 10.minutes }.id).shouldNotBeNull()
                    val waits = job.state.shouldBeInstanceOf<JobState.Scheduled>().runAt - job.enqueuedAt
                    waits shouldBeGreaterThan 10.minutes - 10.seconds
                    waits shouldBeLessThan 10.minutes + 1.seconds
                }
            }

            test("runAt is kept to the microsecond") {
                inShop {
                    val due = inAnHour()
                    val job = kittiwake.find(enqueueTea { runAt = due }.id).shouldNotBeNull()
                    job.state.shouldBeInstanceOf<JobState.Scheduled>().runAt shouldBe due
                }
            }

            test("runAt in the past means now") {
                inShop {
                    val ref = enqueueTea { runAt = databaseTime() - 1.hours }
                    kittiwake.find(ref.id).shouldNotBeNull().state shouldBe JobState.Ready
                }
            }

            test("priority, queue, metadata and expected time are stored with the job") {
                inShop {
                    val expected = inAnHour()
                    val ref =
                        enqueueTea {
                            priority = 7
                            queue = "parcels"
                            metadata["tenant"] = "Zoë"
                            expectedAt = expected
                        }
                    val job = kittiwake.find(ref.id).shouldNotBeNull()
                    job.priority shouldBe 7
                    job.queue.value shouldBe "parcels"
                    job.metadata shouldBe mapOf("tenant" to "Zoë")
                    columnOf(ref.id, "expected_at = timestamptz '$expected'") shouldBe "true"
                }
            }

            test("a unique key that an unfinished job has returns that job, as it was enqueued first") {
                inShop {
                    val first = enqueueTea { uniqueKey = "order 7" }
                    val (second, third) =
                        transaction(db) {
                            place("tea")
                            List(2) { pack.enqueue(PackArgs("coffee")) { uniqueKey = "order 7" } }
                        }
                    listOf(first.isNew, second.isNew, third.isNew) shouldBe listOf(true, false, false)
                    listOf(second.id, third.id) shouldBe listOf(first.id, first.id)
                    jobs() shouldBe listOf("tea")
                    orders() shouldBe listOf("tea")
                }
            }

            test("a key that the job type makes is met within one transaction too") {
                inShop {
                    val once = job<PackArgs>("once") { unique { it.item } }
                    val refs = transaction(db) { once.enqueueAll(listOf("tea", "milk", "tea").map(::PackArgs)) }
                    refs.map { it.isNew } shouldBe listOf(true, true, false)
                    refs[2].id shouldBe refs[0].id
                    jobs() shouldBe listOf("tea", "milk")
                }
            }
        }

        context("in bulk") {
            test("2,500 jobs are stored in order, in statements of 1,000") {
                inShop {
                    val items = List(2_500) { "item $it" }
                    val refs = transaction(db) { pack.enqueueAll(items.map(::PackArgs)) { delay = 1.hours } }
                    refs.map { it.id.value }.zipWithNext().all { (a, b) -> a < b } shouldBe true
                    jobs() shouldContainExactly items
                    // What a delay counts from is the time of the statement.
                    val statements = "select count(*) from $schema.job group by run_at order by run_at"
                    committed(statements) { it.getInt(1) } shouldBe listOf(1_000, 1_000, 500)
                }
            }

            test("options may differ from job to job") {
                inShop {
                    val refs =
                        transaction(db) {
                            pack.enqueueAll(listOf("tea", "coffee").map(::PackArgs)) { priority = it.item.length }
                        }
                    refs.map { kittiwake.find(it.id)?.priority } shouldBe listOf(3, 6)
                }
            }

            test("no args are no jobs") {
                inShop {
                    Sleeper(this, "pack").use { sleeper ->
                        transaction(db) { pack.enqueueAll(emptyList()) }.shouldBeEmpty()
                        sleeper.heard().shouldBeEmpty()
                    }
                }
            }
        }

        context("a transaction that is not fit") {
            test("one of a database that nothing is attached to is refused, with the way to mend it") {
                inShop {
                    val stranger = Database.connect(TestDatabase.dataSource)
                    transaction(stranger) {
                        val refusal = shouldThrow<NoTransactionException> { pack.enqueue(PackArgs("tea")) }
                        refusal.message shouldContain stranger.url.substringBefore('?')
                        refusal.message shouldContain "kittiwake.attach(db)"
                        // The password may be among the parameters of the URL.
                        refusal.message shouldNotContain "?"
                        place("tea")
                    }
                    orders() shouldBe listOf("tea")
                    jobs().shouldBeEmpty()
                }
            }

            test("a read-only one is refused before anything is sent") {
                inShop {
                    transaction(db, readOnly = true) {
                        val refusal = shouldThrow<NoTransactionException> { pack.enqueue(PackArgs("tea")) }
                        refusal.message shouldContain "read-only"
                        exec("select 1") { rows -> rows.next() } shouldBe true
                    }
                }
            }

            test("one that was made read-only by SQL is explained") {
                inShop {
                    transaction(db) {
                        exec("set transaction read only")
                        val refusal = shouldThrow<NoTransactionException> { pack.enqueue(PackArgs("tea")) }
                        refusal.message shouldContain "read-only"
                        refusal.cause.shouldBeInstanceOf<SQLException>().sqlState shouldBe "25006"
                        rollback()
                    }
                }
            }

            test("one that has already failed is explained by what broke it") {
                inShop {
                    transaction(db) {
                        shouldThrow<SQLException> { exec("select 1 / 0") }
                        val refusal = shouldThrow<NoTransactionException> { pack.enqueue(PackArgs("tea")) }
                        refusal.message shouldContain "already failed"
                        refusal.message shouldContain "division by zero"
                        rollback()
                    }
                    jobs().shouldBeEmpty()
                }
            }

            test("one that has ended is refused to a coroutine that outlives it") {
                inShop {
                    val late =
                        transaction(db) {
                            place("tea")
                            async(start = CoroutineStart.LAZY) {
                                shouldThrow<NoTransactionException> { pack.enqueue(PackArgs("tea")) }
                            }
                        }
                    late.await().message shouldContain "has ended"
                    jobs().shouldBeEmpty()
                }
            }

            test("one that has ended is refused to a coroutine that took its context along") {
                inShop {
                    lateinit var tx: JdbcTransaction
                    lateinit var context: CoroutineContext
                    suspendTransaction(db) {
                        place("tea")
                        tx = this
                        context = currentCoroutineContext().minusKey(Job)
                    }
                    val refusal =
                        withContext(context) {
                            shouldThrow<NoTransactionException> { tx.enqueue(pack, PackArgs("tea")) }
                        }
                    refusal.message shouldContain "has ended"
                }
            }

            test("one that has ended without a statement takes no connection again") {
                val pool = HikariDataSource(HikariConfig().apply { dataSource = TestDatabase.dataSource })
                pool.use {
                    Shop(pool).use { shop ->
                        val ended = transaction(shop.db) { this }
                        shouldThrow<NoTransactionException> { ended.enqueue(pack, PackArgs("tea")) }
                        pool.hikariPoolMXBean.activeConnections shouldBe 0
                    }
                }
            }

            test("one of another thread is refused there, and goes on here") {
                inShop {
                    transaction(db) {
                        place("tea")
                        val refusal =
                            CompletableFuture
                                .supplyAsync { shouldThrow<NoTransactionException> { pack.enqueue(PackArgs("tea")) } }
                                .join()
                        refusal.message shouldContain "another thread"
                        pack.enqueue(PackArgs("milk"))
                    }
                    orders() shouldBe listOf("tea")
                    jobs() shouldBe listOf("milk")
                }
            }
        }

        context("bad input leaves the transaction usable") {
            val mistakes =
                mapOf<
                    String,
                    Pair<
                        String,
                        context(JdbcTransaction)
                        () -> Any,
                    >,
                >(
                    "U+0000 in the args" to ("$.item contains U+0000" to { pack.enqueue(PackArgs("te\u0000a")) }),
                    "a lone surrogate in the args" to ("U+D83D" to { pack.enqueue(PackArgs("te\uD83Da")) }),
                    "args that are too large" to ("262144" to { pack.enqueue(PackArgs("tea".repeat(100_000))) }),
                    "a negative delay" to ("-1m" to { pack.enqueue(PackArgs("tea")) { delay = -1.minutes } }),
                    "a time that never comes" to
                        ("runAt" to { pack.enqueue(PackArgs("tea")) { runAt = Instant.DISTANT_FUTURE } }),
                    "a delay and a time" to
                        (
                            "exclude each other" to {
                                pack.enqueue(PackArgs("tea")) {
                                    delay = 1.minutes
                                    runAt = Instant.DISTANT_PAST
                                }
                            }
                        ),
                    "a priority out of range" to ("1001" to { pack.enqueue(PackArgs("tea")) { priority = 1_001 } }),
                    "an empty queue name" to ("queue" to { pack.enqueue(PackArgs("tea")) { queue = "" } }),
                    "an empty unique key" to ("unique key" to { pack.enqueue(PackArgs("tea")) { uniqueKey = "" } }),
                    "U+0000 in the metadata" to
                        ("metadata" to { pack.enqueue(PackArgs("tea")) { metadata["a"] = "\u0000" } }),
                    "one bad job of many" to
                        ("U+0000" to { pack.enqueueAll(listOf("tea", "\u0000", "milk").map(::PackArgs)) }),
                )
            for ((mistake, case) in mistakes) {
                test(mistake) {
                    val (hint, enqueue) = case
                    inShop {
                        transaction(db) {
                            place("before")
                            val refusal = shouldThrow<IllegalArgumentException> { enqueue() }
                            refusal.message shouldContain hint
                            place("later")
                            pack.enqueue(PackArgs("salt"))
                        }
                        orders() shouldBe listOf("before", "later")
                        jobs() shouldBe listOf("salt")
                    }
                }
            }

            test("a schema that is missing says what to run") {
                inShop {
                    val missing = TestDatabase.freshSchema()
                    Kittiwake.connect(TestDatabase.dataSource) { schema = missing }.use { unprepared ->
                        unprepared.attach(db)
                        transaction(db) {
                            place("tea")
                            val refusal = shouldThrow<SchemaException> { pack.enqueue(PackArgs("tea")) }
                            refusal.message shouldContain missing
                            refusal.message shouldContain "kittiwake.migrate()"
                        }
                    }
                    orders() shouldBe listOf("tea")
                }
            }

            test("a closed Kittiwake says so") {
                inShop {
                    kittiwake.close()
                    transaction(db) {
                        place("tea")
                        val refusal = shouldThrow<IllegalStateException> { pack.enqueue(PackArgs("tea")) }
                        refusal.message shouldBe "Kittiwake is closed"
                    }
                    orders() shouldBe listOf("tea")
                }
            }
        }
    })

context(_: JdbcTransaction)
private fun Shop.placeOrder(item: String): JobRef<Unit> {
    place(item)
    return pack.enqueue(PackArgs(item))
}

private fun Shop.enqueueTea(options: EnqueueOptions.() -> Unit): JobRef<Unit> =
    transaction(db) { pack.enqueue(PackArgs("tea"), options) }

private fun Shop.databaseTime(): Instant = committed("select (extract(epoch from clock_timestamp()) * 1000)::bigint") {
    Instant.fromEpochMilliseconds(it.getLong(1))
}.single()

private fun Shop.inAnHour(): Instant = Instant.fromEpochSeconds((databaseTime() + 1.hours).epochSeconds, 123_456_000)
