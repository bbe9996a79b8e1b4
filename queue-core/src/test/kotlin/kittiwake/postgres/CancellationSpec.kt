package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.ints.shouldBeGreaterThan
import io.kotest.matchers.shouldBe
import kittiwake.job.JobId
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.serialization.Serializable
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicLong
import kotlin.random.Random
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
private class Wanted

/** Callers that are cancelled at any moment of what they asked for. */
class CancellationSpec :
    FunSpec({
        test("10,000 random cancellations leave no connection in use, and the pool whole") {
            val kittiwake = autoClose(TestDatabase.kittiwake { poolSize = POOL_SIZE })
            val type = job<Wanted>("wanted")
            val newest = AtomicLong(kittiwake.submit(type, Wanted()).id.value)
            val answered = AtomicInteger()
            val cancelled = AtomicInteger()
            val calls = Channel<Int>(Channel.UNLIMITED)
            repeat(CALLS) { calls.trySend(it) }
            calls.close()
            coroutineScope {
                repeat(AT_ONCE) {
                    launch(Dispatchers.Default) {
                        for (call in calls) {
                            val work = launch {
                                when (call % 3) {
                                    0 -> newest.set(kittiwake.submit(type, Wanted()).id.value)
                                    1 -> kittiwake.find(JobId(newest.get()))
                                    else -> kittiwake.cancel(JobId(newest.get()))
                                }
                                answered.incrementAndGet()
                            }
                            delay(Random.nextInt(MOMENTS).milliseconds)
                            work.cancelAndJoin()
                            if (work.isCancelled) cancelled.incrementAndGet()
                        }
                    }
                }
            }
            answered.get() shouldBeGreaterThan FEW
            cancelled.get() shouldBeGreaterThan FEW
            eventually(20.seconds) { kittiwake.connections("state <> 'idle'") shouldBe 0 }
            kittiwake.holdsAllConnectionsAtOnce(JobId(newest.get()))
        }
    })

/** Lets as many statements as the pool has connections wait for a lock, and sees them all there. */
private suspend fun Kittiwake.holdsAllConnectionsAtOnce(id: JobId): Unit = coroutineScope {
    val found = TestDatabase.dataSource.connection.use { locker ->
        locker.autoCommit = false
        locker.createStatement().use { it.execute("lock table $schema.job in access exclusive mode") }
        val finds = List(POOL_SIZE) { async(Dispatchers.Default) { find(id) } }
        eventually(4.seconds) { connections("wait_event_type = 'Lock'") shouldBe POOL_SIZE }
        locker.rollback()
        finds
    }
    found.awaitAll()
}

private fun Kittiwake.connections(condition: String): Int {
    val ours = "application_name = 'kittiwake control' and query like '%\"$schema\"%'"
    return TestDatabase.query("select count(*) from pg_stat_activity where $ours and $condition").single().toInt()
}

private const val CALLS = 10_000
private const val AT_ONCE = 64
private const val POOL_SIZE = 4

/** A call takes about as long, of which most is waiting for one of the connections. */
private const val MOMENTS = 20

/** Enough of each kind that the moments were well chosen. */
private const val FEW = 500
