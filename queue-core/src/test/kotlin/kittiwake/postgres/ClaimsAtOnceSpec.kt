package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContain
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.postgres.statement.GiveBack
import kittiwake.testing.StoppableServer
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.Serializable
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.CountDownLatch
import javax.sql.DataSource
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

@Serializable
private data class Twin(val n: Int)

/** Two claims of one queue at once, by one worker. */
@OptIn(KittiwakeSpi::class)
class ClaimsAtOnceSpec :
    FunSpec({
        val queue = QueueName("twin")
        val toldOfMore = mutableListOf<QueueName>()

        /** Claims of a worker that has just looked everywhere, and so will not for a while. */
        suspend fun Kittiwake.claims(jobs: Int, server: DataSource = TestDatabase.dataSource): WorkerClaims {
            submitAll(job<Twin>("twin"), List(jobs, ::Twin))
            val worker = WorkerId.random()
            store.join(worker, "twin", setOf(queue))
            val claims = WorkerClaims(Schema(schema), Retention.Default, worker, onMore = { toldOfMore += it })
            server.connection.use { claims.claim(it, queue, 1).size shouldBe 1 }
            return claims
        }

        /** The same, of whom the last claim was large and filled; [jobs] are left. */
        suspend fun Kittiwake.fullClaims(jobs: Int, server: DataSource = TestDatabase.dataSource): WorkerClaims =
            claims(jobs + 101, server).also { claims ->
                server.connection.use { claims.claim(it, queue, 100).size shouldBe 100 }
            }

        /** All that was claimed is taken from its workers. */
        fun Kittiwake.rescueAll() = runBlocking { store.rescue(Duration.ZERO, limit = 10) }

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

        context("while the queue is full") {
            test("take different jobs, and neither waits while the other reads its own") {
                val claims = autoClose(TestDatabase.kittiwake()).fullClaims(jobs = 300)
                onTwoConnections { first, second ->
                    val (taken, other) = List(2) { CountDownLatch(1) }
                    val waits =
                        LosesAnswers(first) {
                            // Between its two statements.
                            if (taken.count == 1L) taken.countDown() else other.await()
                        }
                    coroutineScope {
                        val slow = async(Dispatchers.IO) { claims.claim(waits.connection, queue, 100) }
                        taken.await()
                        val quick = claims.claim(second, queue, 100)
                        other.countDown()
                        val both = slow.await() + quick
                        both.map { it.id.value } shouldBe both.map { it.id.value }.sorted()
                        both.size shouldBe 200
                    }
                }
            }

            test("do not wait for one that does not come back from its turn") {
                val claims = autoClose(TestDatabase.kittiwake()).fullClaims(jobs = 400)
                onTwoConnections { first, second ->
                    val (taken, other) = List(2) { CountDownLatch(1) }
                    val hangs =
                        LosesAnswers(first) {
                            taken.countDown()
                            other.await()
                        }
                    coroutineScope {
                        val hanging = async(Dispatchers.IO) { claims.claim(hangs.connection, queue, 100) }
                        taken.await()
                        val quick = List(2) { claims.claim(second, queue, 100) }.flatten()
                        other.countDown()
                        (hanging.await() + quick).map { it.id }.distinct().size shouldBe 300
                    }
                }
            }

            test("pass by a ticket that somebody has a hand on, and have it when it was let go") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val claims = kittiwake.fullClaims(jobs = 150)
                onTwoConnections { first, second ->
                    first.autoCommit = false
                    val next = TestDatabase.query("select min(job_id) from ${kittiwake.schema}.ready").single().toLong()
                    first.createStatement().use {
                        it.execute("delete from ${kittiwake.schema}.ready where job_id = $next")
                    }
                    claims.claim(second, queue, 100).map { it.id.value }.min() shouldBe next + 1
                    first.rollback()
                    eventually(20.seconds) { claims.claim(second, queue, 100).map { it.id.value } shouldContain next }
                }
            }

            test("look on where they were, when somebody else got a ticket before them") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val claims = kittiwake.fullClaims(jobs = 300)
                val ready = "${kittiwake.schema}.ready"
                val next = TestDatabase.query("select min(job_id) from $ready").single().toLong()
                TestDatabase.execute(
                    """
                    create function ${kittiwake.schema}.is_kept() returns trigger language plpgsql as 'begin return null; end';
                    create trigger kept before delete on $ready
                        for each row when (old.job_id = $next) execute function ${kittiwake.schema}.is_kept()
                    """,
                )
                onTwoConnections { first, _ ->
                    claims.claim(first, queue, 100).size shouldBe 99
                    toldOfMore shouldContain queue
                    claims.claim(first, queue, 100).size shouldBe 100
                }
            }

            test("wait for another worker no longer than it takes to claim as rivals") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val claims = kittiwake.fullClaims(jobs = 200)
                onTwoConnections { first, second ->
                    first.autoCommit = false
                    first.createStatement().use {
                        it.execute("select pg_advisory_xact_lock(${kittiwake.schema}.turn_key('claim/twin'))")
                    }
                    claims.claim(second, queue, 100).size shouldBe 100
                    first.rollback()
                    claims.claim(second, queue, 100).size shouldBe 100
                }
            }

            test("give back what was taken when its jobs could not be read") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val claims = kittiwake.fullClaims(jobs = 250)
                onTwoConnections { first, second ->
                    var answers = 0
                    val loses =
                        LosesAnswers(first) {
                            answers++
                            if (answers == 2) throw SQLException("the connection was lost", "08006")
                        }
                    shouldThrow<SQLException> { claims.claim(loses.connection, queue, 100) }
                    claims.claim(second, queue, 700).size shouldBe 150
                    claims.releaseDoubtful(second, GiveBack(Schema(kittiwake.schema)))
                    claims.claim(second, queue, 700).map { it.attempt } shouldBe List(100) { 1 }
                }
            }

            test("bring nothing when the lease is gone before the jobs are read, and find them again") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val claims = kittiwake.fullClaims(jobs = 100)
                onTwoConnections { first, second ->
                    val rescued = LosesAnswers(first) { kittiwake.rescueAll() }
                    claims.claim(rescued.connection, queue, 100).size shouldBe 0
                    TestDatabase.execute("update ${kittiwake.schema}.worker set ended_at = null")
                    claims.claim(second, queue, 100).size shouldBe 100
                }
            }

            test("survive a crash of the server as soon as they have returned") {
                val server = autoClose(StoppableServer())
                val kittiwake = autoClose(Kittiwake.connect(server.dataSource)).also { it.migrate() }
                val claims = kittiwake.fullClaims(jobs = 200, server.dataSource)
                server.dataSource.connection.use { claims.claim(it, queue, 100).size shouldBe 100 }
                server.stop()
                server.start()
                server.query("select sum(cardinality(job_ids)) from kittiwake.lease") shouldBe "201"
                server.query("select count(*) from kittiwake.ready") shouldBe "100"
            }
        }
    })
