package kittiwake.exposed

import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldNotBeEmpty
import io.kotest.matchers.ints.shouldBeGreaterThan
import io.kotest.matchers.shouldBe
import kittiwake.job.job
import kittiwake.job.never
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.yield
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.suspendTransaction
import java.util.concurrent.atomic.AtomicInteger
import kotlin.random.Random
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** Transactions that are cancelled at any moment, on a pool of the application's. */
class CancellationSpec :
    FunSpec({
        suspend fun inPooledShop(test: suspend Shop.(HikariDataSource) -> Unit) {
            val config = HikariConfig().apply {
                jdbcUrl = TestDatabase.url
                maximumPoolSize = POOL_SIZE
            }
            HikariDataSource(config).use { pool -> Shop(pool).use { it.test(pool) } }
        }

        suspend fun HikariDataSource.isWhole() {
            eventually(SOON) { hikariPoolMXBean.activeConnections shouldBe 0 }
            List(POOL_SIZE) { connection }.forEach { it.close() }
        }

        test("10,000 enqueues cancelled at random leave no connection in use, and no row without its job") {
            inPooledShop { pool ->
                val cancelled = AtomicInteger()
                val calls = Channel<Int>(Channel.UNLIMITED)
                repeat(CALLS) { calls.trySend(it) }
                calls.close()
                coroutineScope {
                    repeat(AT_ONCE) {
                        launch(Dispatchers.IO) {
                            for (call in calls) {
                                val work = launch {
                                    suspendTransaction(db) {
                                        place("$call")
                                        yield()
                                        pack.enqueue(PackArgs("$call"))
                                        delay(1.milliseconds)
                                    }
                                }
                                delay(Random.nextInt(10).milliseconds)
                                work.cancelAndJoin()
                                if (work.isCancelled) cancelled.incrementAndGet()
                            }
                        }
                    }
                }
                cancelled.get() shouldBeGreaterThan FEW
                jobs().shouldNotBeEmpty()
                jobs().sorted() shouldBe orders()
                pool.isWhole()
            }
        }

        test("transactional handlers cut off at random leave no connection in use, and writes of completed jobs only") {
            inPooledShop { pool ->
                val types = TIMEOUTS.map { millis ->
                    job<PackArgs>("send $millis") {
                        queue = "send"
                        timeout = millis.milliseconds
                        retry = never
                        handleInTransaction(db) { args ->
                            place(args.item)
                            contextOf<JdbcTransaction>().exec("select pg_sleep(0.002)")
                            pack.enqueue(PackArgs(args.item))
                        }
                    }
                }
                working(configure = {
                    queue("send") { concurrency = AT_ONCE }
                    types.forEach { jobs(it) }
                }) {
                    for (type in types) kittiwake.submitAll(type, List(RUNS) { PackArgs("${type.name} $it") })
                    eventually(60.seconds) { endings().values.sum() shouldBe TIMEOUTS.size * RUNS }
                }
                endings().getValue("discarded") shouldBeGreaterThan FEW
                endings().getValue("completed") shouldBeGreaterThan FEW
                val completed = committed(
                    "select args::jsonb ->> 'item' as item from $schema.archive where ending = 'completed' order by 1",
                ) { it.getString(1) }
                orders() shouldBe completed
                jobs().sorted() shouldBe completed.sorted()
                pool.isWhole()
            }
        }
    })

private fun Shop.endings(): Map<String, Int> =
    committed("select ending, count(*) from $schema.archive group by ending") { it.getString(1) to it.getInt(2) }
        .toMap()

private const val CALLS = 10_000
private const val AT_ONCE = 16
private const val POOL_SIZE = 8

/**
 * Timeouts in milliseconds: some fall before the handler has a connection, some after its commit, on slow machines and
 * on fast ones.
 */
private val TIMEOUTS = (1..34).toList() + listOf(100, 200, 400, 800, 1600, 3200)
private const val RUNS = 100

/** Enough of each kind that the moments were well chosen. */
private const val FEW = 200
