package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.serialization.Serializable
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.CountDownLatch

@Serializable
private data class Twin(val n: Int)

/** Two claims of one queue at once, by one worker. */
@OptIn(KittiwakeSpi::class)
class ClaimsAtOnceSpec :
    FunSpec({
        val queue = QueueName("twin")

        /** Claims of a worker that has just looked everywhere, and so will not for a while. */
        suspend fun Kittiwake.claims(jobs: Int): WorkerClaims {
            submitAll(job<Twin>("twin"), List(jobs, ::Twin))
            val worker = WorkerId.random()
            store.join(worker, "twin", setOf(queue))
            return WorkerClaims(Schema(schema), Retention.Default, worker).also { claims ->
                TestDatabase.connect { claims.claim(it, queue, 1).size shouldBe 1 }
            }
        }

        suspend fun onTwoConnections(block: suspend (Connection, Connection) -> Unit) {
            TestDatabase.dataSource.connection.use { first ->
                TestDatabase.dataSource.connection.use { second -> block(first, second) }
            }
        }

        test("take different jobs, and neither waits for the other") {
            val claims = autoClose(TestDatabase.kittiwake()).claims(7)
            onTwoConnections { first, second ->
                val other = CountDownLatch(1)
                val waits = LosesAnswers(first) { other.await() }
                coroutineScope {
                    val slow = async(Dispatchers.IO) { claims.claim(waits.connection, queue, 3) }
                    val quick = List(3) { claims.claim(second, queue, 1) }.flatten()
                    other.countDown()
                    (slow.await() + quick).map { it.id }.distinct().size shouldBe 6
                }
                claims.claim(second, queue, 10).size shouldBe 0
            }
        }

        test("leave nothing behind when one fails, whose jobs the other had passed") {
            val claims = autoClose(TestDatabase.kittiwake()).claims(6)
            onTwoConnections { first, second ->
                val (locked, passed, failed) = List(3) { CountDownLatch(1) }
                val fails =
                    LosesAnswers(first) {
                        locked.countDown()
                        passed.await()
                        throw SQLException("the session was ended", "57P01")
                    }
                val passes =
                    LosesAnswers(second) {
                        passed.countDown()
                        failed.await()
                    }
                first.autoCommit = false
                coroutineScope {
                    val failing = async(Dispatchers.IO) { runCatching { claims.claim(fails.connection, queue, 3) } }
                    locked.await()
                    val passing = async(Dispatchers.IO) { claims.claim(passes.connection, queue, 10) }
                    failing.await().isFailure shouldBe true
                    first.rollback()
                    failed.countDown()
                    passing.await().size shouldBe 2
                }
                claims.claim(second, queue, 10).size shouldBe 3
            }
        }
    })
