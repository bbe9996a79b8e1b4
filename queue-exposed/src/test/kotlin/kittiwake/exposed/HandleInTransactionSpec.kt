package kittiwake.exposed

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.core.spec.style.funSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContain
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobScope
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.JobType
import kittiwake.job.JobTypeBuilder
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.job.limit
import kittiwake.job.never
import kittiwake.postgres.WatchedDataSource
import kittiwake.testing.TestDatabase
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.Serializable
import org.jetbrains.exposed.v1.core.DatabaseConfig
import org.jetbrains.exposed.v1.core.Transaction
import org.jetbrains.exposed.v1.core.statements.StatementInterceptor
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.suspendTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.sql.SQLException
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CountDownLatch
import javax.sql.DataSource
import kotlin.time.Duration
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds

class HandleInTransactionSpec :
    FunSpec({
        include(handlersInTransactions(TestDatabase.dataSource))
        include("on watched connections, ", handlersInTransactions(WatchedDataSource(TestDatabase.dataSource)))

        val plain = TestDatabase.dataSource
        for ((source, isMarked) in mapOf(plain to true, WatchedDataSource(plain) to false)) {
            test(if (isMarked) "its transaction is marked" else "on watched connections it is not") {
                Shop(source).use { shop ->
                    val marks = CopyOnWriteArrayList<Boolean>()
                    val send = shop.send { args ->
                        context(contextOf<JdbcTransaction>()) { shop.place(args.item) }
                        pack.enqueue(PackArgs("child"))
                        marks += contextOf<JdbcTransaction>()
                            .exec("select coalesce(current_setting('kittiwake.claim', true), '')") {
                                it.next()
                                it.getString(1) != ""
                            }!!
                    }
                    shop.working(configure = { works(send) }) { repeat(2) { shop.ended(send, "tea") } }
                    marks shouldBe List(2) { isMarked }
                }
            }
        }
    })

private fun handlersInTransactions(source: DataSource) = funSpec {
    suspend fun inShop(configure: DatabaseConfig.Builder.() -> Unit = {}, test: suspend Shop.() -> Unit) {
        Shop(source, configure).use { it.test() }
    }

    context("a handler that returns") {
        test("has its writes, the jobs it enqueued and the completion in one commit") {
            inShop {
                keepArchiveInPlace()
                val send =
                    send { args ->
                        place(args.item)
                        pack.enqueue(PackArgs("child"))
                        orders().shouldBeEmpty()
                        jobs() shouldBe listOf(args.item)
                    }
                working(configure = { works(send) }) {
                    val ended = ended(send, "tea")
                    ended.ending shouldBe Ending.COMPLETED
                    orders() shouldBe listOf("tea")
                    jobs() shouldBe listOf("child")
                    commitsOf("orders", "job", "archive") shouldHaveSize 1
                    it.await<JobEvent.Completed>().id shouldBe ended.id
                }
            }
        }

        test("has in that commit what is written when the transaction is about to commit, as entities are") {
            inShop {
                keepArchiveInPlace()
                val send =
                    send { args ->
                        contextOf<JdbcTransaction>().registerInterceptor(
                            object : StatementInterceptor {
                                override fun beforeCommit(transaction: Transaction) {
                                    context(transaction as JdbcTransaction) { place("${args.item}, late") }
                                }
                            },
                        )
                        place(args.item)
                    }
                working(configure = { works(send) }) {
                    ended(send, "tea").ending shouldBe Ending.COMPLETED
                    orders() shouldBe listOf("tea", "tea, late")
                    commitsOf("orders", "archive") shouldHaveSize 1
                }
            }
        }

        test("has its result stored") {
            inShop {
                val count =
                    job<PackArgs, Receipt>("send") {
                        handleInTransaction(db) { args -> Receipt(args.item, args.item.length) }
                    }
                working(configure = { works(count) }) {
                    ended(count, "tea").result shouldBe """{"item":"tea","letters":3}"""
                }
            }
        }

        test("is the parent of what it enqueued") {
            inShop {
                val send = send { pack.enqueue(PackArgs("child")) }
                working(configure = { works(send) }) {
                    val parent = ended(send, "tea")
                    columnOf(onlyJob(), "parent_id") shouldBe parent.id.toString()
                    kittiwake.find(onlyJob()).shouldNotBeNull().parent shouldBe parent.id
                }
            }
        }

        test("wakes the worker of what it enqueued") {
            inShop {
                val send = send { pack.enqueue(PackArgs("child")) }
                Sleeper(this, "pack").use { sleeper ->
                    working(configure = { works(send) }) {
                        ended(send, "tea")
                        sleeper.heard() shouldContain "pack"
                    }
                }
            }
        }

        test("can be bound in the worker") {
            inShop {
                working(configure = {
                    queue("pack")
                    handleInTransaction(pack, db) { args -> place(args.item) }
                }) {
                    ended(pack, "tea").ending shouldBe Ending.COMPLETED
                    orders() shouldBe listOf("tea")
                }
            }
        }

        test("has a transaction of its own, even when the worker was started inside one") {
            inShop {
                val send = send { args -> place(args.item) }
                val worker = kittiwake.worker { works(send) }
                suspendTransaction(db) {
                    val surroundings = currentCoroutineContext()
                    coroutineScope {
                        val run = launch(surroundings + Dispatchers.Default) { worker.run() }
                        val ref = kittiwake.submit(send, PackArgs("tea"))
                        kittiwake.awaitEnd(ref.id, SOON).shouldNotBeNull().ending shouldBe Ending.COMPLETED
                        run.cancelAndJoin()
                    }
                    rollback()
                }
                orders() shouldBe listOf("tea")
            }
        }
    }

    context("a handler that throws") {
        test("leaves no writes, while the retry, the error and the attempt are kept") {
            inShop {
                val send =
                    send({ retry = fixed(1.milliseconds).limit(2) }) { args ->
                        place("${args.item} $attempt")
                        pack.enqueue(PackArgs("child $attempt"))
                        if (attempt == 1) throw Mishap()
                    }
                working(configure = { works(send) }) {
                    val ended = ended(send, "tea")
                    ended.ending shouldBe Ending.COMPLETED
                    ended.attempts shouldBe 2
                    ended.failures.single().attempt shouldBe 1
                    ended.failures.single().error shouldContain "Mishap: a mishap"
                    orders() shouldBe listOf("tea 2")
                    jobs() shouldBe listOf("child 2")
                }
            }
        }

        test("an SQLException runs its body once an attempt, whatever the database's own attempts are") {
            var runs = 0
            inShop({ defaultMaxAttempts = 3 }) {
                val send =
                    send({ retry = fixed(1.milliseconds).limit(2) }) {
                        runs++
                        place("run $runs")
                        throw SQLException("run $runs")
                    }
                working(configure = { works(send) }) {
                    val ended = ended(send, "tea")
                    ended.ending shouldBe Ending.DISCARDED
                    ended.attempts shouldBe 2
                    runs shouldBe 2
                    orders().shouldBeEmpty()
                }
            }
        }

        test("or whose commit the server refuses: nothing stays, and the error is kept") {
            inShop {
                transaction(db) {
                    exec("alter table $schema.orders add constraint once unique (item) initially deferred")
                }
                val send =
                    send({ retry = never }) { args ->
                        repeat(2) { place(args.item) }
                        pack.enqueue(PackArgs("child"))
                    }
                working(configure = { works(send) }) {
                    val ended = ended(send, "tea")
                    ended.ending shouldBe Ending.DISCARDED
                    it.await<JobEvent.Discarded>().reason shouldContain "\"once\""
                    orders().shouldBeEmpty()
                    jobs().shouldBeEmpty()
                }
            }
        }

        test("out of a savepoint loses only that part when it is caught") {
            inShop {
                val send =
                    send { args ->
                        place(args.item)
                        shouldThrow<SQLException> {
                            savepoint {
                                place("inside")
                                pack.enqueue(PackArgs("inside"))
                                fail()
                            }
                        }
                        pack.enqueue(PackArgs("after"))
                    }
                working(configure = { works(send) }) {
                    ended(send, "tea").ending shouldBe Ending.COMPLETED
                    orders() shouldBe listOf("tea")
                    jobs() shouldBe listOf("after")
                }
            }
        }
    }

    context("a handler that breaks its transaction does not complete the job") {
        test("by commit(): the attempt fails and says why; only what was committed by hand stays") {
            inShop {
                val send =
                    send({ retry = never }) {
                        place("before")
                        contextOf<JdbcTransaction>().commit()
                        place("after")
                        pack.enqueue(PackArgs("after"))
                    }
                working(configure = { works(send) }) {
                    it.saysThatTheTransactionWasReplaced(ended(send, "tea"))
                    orders() shouldBe listOf("before")
                    jobs().shouldBeEmpty()
                }
            }
        }

        test("by rollback(): the attempt fails and says why; nothing stays") {
            inShop {
                val send =
                    send({ retry = never }) {
                        place("before")
                        contextOf<JdbcTransaction>().rollback()
                        place("after")
                        pack.enqueue(PackArgs("after"))
                    }
                working(configure = { works(send) }) {
                    it.saysThatTheTransactionWasReplaced(ended(send, "tea"))
                    orders().shouldBeEmpty()
                    jobs().shouldBeEmpty()
                }
            }
        }

        test("by catching the SQLException of a nested transaction { }: the same, and nothing stays") {
            inShop {
                val send =
                    send({ retry = never }) {
                        place("before")
                        shouldThrow<SQLException> { transaction(db) { fail() } }
                        place("after")
                        pack.enqueue(PackArgs("after"))
                    }
                working(configure = { works(send) }) {
                    it.saysThatTheTransactionWasReplaced(ended(send, "tea"))
                    orders().shouldBeEmpty()
                    jobs().shouldBeEmpty()
                }
            }
        }

        test("by rollback(), then by a nested error: the third attempt, which does not, does the work once") {
            inShop {
                val send =
                    send({ retry = fixed(1.milliseconds).limit(4) }) {
                        place("attempt $attempt")
                        when (attempt) {
                            1 -> contextOf<JdbcTransaction>().rollback()
                            2 -> shouldThrow<SQLException> { transaction(db) { fail() } }
                        }
                        pack.enqueue(PackArgs("attempt $attempt"))
                    }
                working(configure = { works(send) }) {
                    val ended = ended(send, "tea")
                    ended.ending shouldBe Ending.COMPLETED
                    ended.attempts shouldBe 3
                    orders() shouldBe listOf("attempt 3")
                    jobs() shouldBe listOf("attempt 3")
                }
            }
        }

        test("by catching the SQLException of a statement: the same, and nothing stays") {
            inShop {
                val send =
                    send({ retry = never }) {
                        place("before")
                        shouldThrow<SQLException> { fail() }
                    }
                working(configure = { works(send) }) {
                    ended(send, "tea").ending shouldBe Ending.DISCARDED
                    it.await<JobEvent.Discarded>().reason shouldContain "current transaction is aborted"
                    orders().shouldBeEmpty()
                }
            }
        }

        test("but may catch it with useNestedTransactions, where only the inner block is undone") {
            inShop({ useNestedTransactions = true }) {
                val send =
                    send { args ->
                        place(args.item)
                        shouldThrow<SQLException> {
                            transaction(db) {
                                place("inside")
                                fail()
                            }
                        }
                    }
                working(configure = { works(send) }) {
                    ended(send, "tea").ending shouldBe Ending.COMPLETED
                    orders() shouldBe listOf("tea")
                }
            }
        }
    }

    context("a claim that is lost while the handler runs") {
        test("because the job was cancelled keeps nothing of its transaction") {
            inShop {
                val send =
                    send { args ->
                        place(args.item)
                        pack.enqueue(PackArgs("child"))
                        runBlocking { kittiwake.cancel(id) }
                    }
                working(configure = { works(send) }) {
                    ended(send, "tea").ending shouldBe Ending.CANCELLED
                    it.await<JobEvent> { event -> event is JobEvent.LeaseLost || event is JobEvent.Cancelled }
                    orders().shouldBeEmpty()
                    jobs().shouldBeEmpty()
                }
            }
        }

        test("because the job was taken back keeps nothing of it, and the next attempt does the work") {
            inShop {
                val send =
                    send { args ->
                        place("${args.item} $attempt")
                        pack.enqueue(PackArgs("child $attempt"))
                        if (attempt == 1) takeBack(id)
                    }
                working(configure = {
                    works(send)
                    heartbeatEvery = 200.milliseconds
                }) {
                    val ended = ended(send, "tea")
                    ended.ending shouldBe Ending.COMPLETED
                    ended.attempts shouldBe 2
                    it.await<JobEvent.LeaseLost>().attempt shouldBe 1
                    orders() shouldBe listOf("tea 2")
                    jobs() shouldBe listOf("child 2")
                }
            }
        }
    }

    context("a handler that takes too long") {
        test("is interrupted, and its writes are undone") {
            inShop {
                val send =
                    send({ tooLate() }) { args ->
                        place(args.item)
                        CountDownLatch(1).await()
                    }
                working(configure = { works(send) }) { it.saysThatItTookTooLong(ended(send, "tea")) }
                orders().shouldBeEmpty()
            }
        }

        test("has its writes undone even when it swallows the interruption") {
            inShop {
                val send =
                    send({ tooLate() }) { args ->
                        place(args.item)
                        shouldThrow<InterruptedException> { CountDownLatch(1).await() }
                    }
                working(configure = { works(send) }) { it.saysThatItTookTooLong(ended(send, "tea")) }
                orders().shouldBeEmpty()
            }
        }

        test("has its writes undone even when a statement could not be interrupted") {
            inShop {
                val send =
                    send({ tooLate() }) { args ->
                        place(args.item)
                        contextOf<JdbcTransaction>().exec("select pg_sleep(1)")
                    }
                working(configure = { works(send) }) { it.saysThatItTookTooLong(ended(send, "tea")) }
                orders().shouldBeEmpty()
            }
        }
    }
}

@Serializable
data class Receipt(val item: String, val letters: Int)

/** A job whose handler is [block], in a transaction of the shop's database. */
private fun Shop.send(
    configure: JobTypeBuilder<PackArgs, Unit>.() -> Unit = {},
    block: context(JdbcTransaction) JobScope.(PackArgs) -> Unit,
): JobType<PackArgs, Unit> = job("send") {
    configure()
    handleInTransaction(db, block)
}

private fun JobTypeBuilder<PackArgs, Unit>.tooLate() {
    timeout = 200.milliseconds
    retry = never
}

private fun WorkerBuilder.works(type: JobType<*, *>) {
    queue(type.queue.value)
    jobs(type)
}

/** The job of [type], enqueued and ended. */
private suspend fun <R> Shop.ended(type: JobType<PackArgs, R>, item: String): JobSnapshot {
    val ref = transaction(db) { type.enqueue(PackArgs(item)) }
    return kittiwake.awaitEnd(ref.id, SOON).shouldNotBeNull()
}

private val JobSnapshot.ending: Ending get() = state.shouldBeInstanceOf<JobState.Ended>().ending

private fun Shop.onlyJob(): JobId = JobId(committed("select id from $schema.job") { it.getLong(1) }.single())

/** The transactions that wrote the rows of [tables] as they are now. */
private fun Shop.commitsOf(vararg tables: String): List<String> =
    committed(tables.joinToString(" union ") { "select xmin::text from $schema.$it" }) { it.getString(1) }

/** Takes the turn at preparing the archive's days, which moves the rows of a day into its own table. */
@OptIn(KittiwakeSpi::class)
private suspend fun Shop.keepArchiveInPlace() {
    kittiwake.store.takeTurn("prune", 1.hours) shouldBe true
}

/** Takes the job from its worker as from one that has been silent; a worker that beats in that moment is left alone. */
@OptIn(KittiwakeSpi::class)
private fun Shop.takeBack(job: JobId) {
    generateSequence { runBlocking { kittiwake.store.rescue(Duration.ZERO, 10) } }
        .first { taken -> taken.any { it.id == job } }
}

context(tx: JdbcTransaction)
private fun fail() {
    tx.exec("select 1 / 0")
}

private suspend fun Witness.saysThatTheTransactionWasReplaced(job: JobSnapshot) {
    job.ending shouldBe Ending.DISCARDED
    await<JobEvent.Discarded>().reason shouldContain "is not the one that it began with"
}

private suspend fun Witness.saysThatItTookTooLong(job: JobSnapshot) {
    job.ending shouldBe Ending.DISCARDED
    await<JobEvent.Discarded>().reason shouldContain "took longer than its timeout of 200ms"
}
