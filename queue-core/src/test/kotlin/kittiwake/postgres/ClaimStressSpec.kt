package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.ints.shouldBeGreaterThan
import io.kotest.matchers.maps.shouldBeEmpty
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.enqueue.newJob
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.Completion
import kittiwake.testing.TestDatabase
import kittiwake.testing.aWorkerOf
import kittiwake.testing.succeeded
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.serialization.Serializable
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicInteger
import kotlin.random.Random

@Serializable
private data class Load(val producer: Int)

/**
 * Long, overlapping, partly rolled back transactions against claimers of all batch sizes, two of each worker: nothing
 * lost, nothing twice.
 */
@OptIn(KittiwakeSpi::class)
class ClaimStressSpec :
    FunSpec({
        val queue = QueueName("load")
        val type = job<Load>("load")

        test("every committed job is claimed once, and no other, by rivals and by those who claim twice at once") {
            val kittiwake = autoClose(TestDatabase.kittiwake { poolSize = 6 })
            val committed = ConcurrentHashMap.newKeySet<Long>()
            val claimed = ConcurrentHashMap<Long, AtomicInteger>()
            val producing = AtomicBoolean(true)

            fun produce(seed: Int) {
                val random = Random(seed)
                TestDatabase.connect { connection ->
                    connection.autoCommit = false
                    repeat(60) {
                        val kept = mutableListOf<Long>()
                        repeat(random.nextInt(1, 4)) {
                            val savepoint = if (random.nextInt(5) == 0) connection.setSavepoint() else null
                            val jobs =
                                List(random.nextInt(1, 30)) {
                                    type.newJob(Load(seed)) { priority = random.nextInt(3) }
                                }
                            val ids = kittiwake.insert(connection, type, jobs).map { it.id.value }
                            if (savepoint != null && random.nextBoolean()) {
                                connection.rollback(savepoint)
                            } else {
                                kept += ids
                            }
                            // Transactions stay open for different times, so that they commit in another order
                            // than they began.
                            if (random.nextInt(3) == 0) {
                                val pause = random.nextInt(30) / 1000.0
                                connection.createStatement().use { it.execute("select pg_sleep($pause)") }
                            }
                        }
                        if (random.nextInt(5) == 0) {
                            connection.rollback()
                        } else {
                            committed += kept
                            connection.commit()
                        }
                    }
                }
            }

            suspend fun claim(worker: WorkerId, batch: Int) {
                var emptySinceTheEnd = 0
                while (emptySinceTheEnd < 2) {
                    val ended = !producing.get()
                    val claims = kittiwake.store.claim(worker, queue, batch)
                    claims.forEach { claimed.computeIfAbsent(it.id.value) { AtomicInteger() }.incrementAndGet() }
                    if (claims.isNotEmpty()) kittiwake.store.end(worker, claims.map { succeeded(it) as Completion.End })
                    if (claims.isEmpty() && ended) emptySinceTheEnd++
                }
            }

            withContext(Dispatchers.IO) {
                coroutineScope {
                    for (batch in listOf(1, 3, 20, 100)) {
                        val worker = aWorkerOf(kittiwake.store)
                        repeat(2) { launch { claim(worker, batch) } }
                    }
                    (1..5).map { seed -> async { produce(seed) } }.awaitAll()
                    producing.set(false)
                }
            }
            committed.size shouldBeGreaterThan 1_000
            claimed.filterValues { it.get() > 1 }.shouldBeEmpty()
            claimed.keys.minus(committed).shouldBeEmpty()
            committed.minus(claimed.keys).shouldBeEmpty()
            TestDatabase.count(kittiwake, "ready") shouldBe 0
            TestDatabase.count(kittiwake, "lease") shouldBe 0
            TestDatabase.count(kittiwake, "job") shouldBe 0
        }
    })
