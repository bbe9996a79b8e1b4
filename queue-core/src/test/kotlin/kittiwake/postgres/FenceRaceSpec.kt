package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.annotation.Tags
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.collections.shouldContainExactlyInAnyOrder
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.job.Retention
import kittiwake.postgres.statement.CancelJob
import kittiwake.postgres.statement.GiveBack
import kittiwake.postgres.statement.RescueJobs
import kittiwake.postgres.statement.ReturnJobs
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.aWorkerOf
import kittiwake.testing.failed
import kittiwake.testing.images
import kittiwake.testing.insertOne
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import org.postgresql.PGConnection
import java.sql.Connection
import javax.sql.DataSource
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** The fence of a transactional handler, beside somebody who writes about its job or takes it away. */
@Tags("AnyJdk")
@OptIn(KittiwakeSpi::class)
class FenceRaceSpec :
    FunSpec({
        val sources =
            mapOf(
                "marked first" to TestDatabase.dataSource,
                "not marked" to WatchedDataSource(TestDatabase.dataSource),
            )
        for ((mark, source) in sources) {
            for (kept in listOf(ZERO, 7.days)) {
                for (rival in rivals) {
                    for (commits in listOf(true, false)) {
                        val ending = if (commits) "commits" else "rolls back"
                        test("$mark, kept for $kept: waits for one who ${rival.deed} and $ending") {
                            val kittiwake = autoClose(TestDatabase.kittiwake { retain(completed = kept) })
                            kittiwake.closesBeside(rival, source, commits) shouldBe (rival.keepsTheClaim || !commits)
                        }
                    }
                }
            }
            for (rival in rivals) {
                test("$mark: completes nothing by an older snapshot after one who ${rival.deed}") {
                    val kittiwake = autoClose(TestDatabase.kittiwake())
                    kittiwake.closesAfter(rival, source).exceptionOrNull()!!.message shouldContain "could not serialize"
                }
            }
        }

        test("does not wait for another job of its claim that is returned") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val (claim, other) = kittiwake.claimTwo()
            TestDatabase.dataSource.connection.use { rival ->
                rival.autoCommit = false
                kittiwake.returns(rival, other)
                kittiwake.inTransaction(claim) { kittiwake.fence().commit(it, claim, null, ZERO) }
                rival.commit()
            }
            kittiwake.endingOf(claim.id) shouldBe Ending.COMPLETED
            kittiwake.find(other.id)!!.state shouldBe JobState.Ready
        }

        test("once past it, a rescue does not wait for the commit, and takes the rest of its claim the next time") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val (claim, other) = kittiwake.claimTwo()
            kittiwake.whileCommitting(claim) { committing ->
                kittiwake.store.rescue(silentFor = ZERO, limit = 10).shouldBeEmpty()
                letCommit()
                committing.await().getOrThrow()
            }
            kittiwake.store.rescue(silentFor = ZERO, limit = 10).map { it.id } shouldContainExactly listOf(other.id)
            kittiwake.endingOf(claim.id) shouldBe Ending.COMPLETED
        }

        test("once past it, a rescue takes other claims of its worker at once") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val (claim, _) = kittiwake.claimTwo()
            val third = kittiwake.store.insertOne()
            kittiwake.store.claim(claim.worker, images, 1)
            kittiwake.whileCommitting(claim) { committing ->
                val rescued = kittiwake.store.rescue(silentFor = ZERO, limit = 1)
                rescued.map { it.id } shouldContainExactly listOf(third)
                letCommit()
                committing.await().getOrThrow()
            }
        }

        test("past it and lost with its connection, all of its claim are rescued") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val (claim, other) = kittiwake.claimTwo()
            kittiwake.whileCommitting(claim) { committing ->
                kill()
                committing.await().isFailure shouldBe true
            }
            val rescued = kittiwake.store.rescue(silentFor = ZERO, limit = 10)
            rescued.map { it.id } shouldContainExactlyInAnyOrder listOf(claim.id, other.id)
        }

        test("once past it, a worker that never heard of the commit waits for it, and returns nothing") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val (claim, _) = kittiwake.claimTwo()
            kittiwake.whileCommitting(claim) { committing ->
                val returning = async(Dispatchers.IO) { kittiwake.store.putBack(claim.worker, listOf(failed(claim))) }
                awaitBlocked(2)
                letCommit()
                committing.await().getOrThrow()
                returning.await() shouldBe setOf(claim.id)
            }
            TestDatabase.count(kittiwake, "ready") shouldBe 0
            TestDatabase.count(kittiwake, "attempt") shouldBe 0
            kittiwake.endingOf(claim.id) shouldBe Ending.COMPLETED
        }
    })

@OptIn(KittiwakeSpi::class)
private class Rival(
    val deed: String,
    val keepsTheClaim: Boolean = false,
    val maxAttempts: Int = 20,
    val act: Kittiwake.(Connection, ClaimedJob) -> Unit,
)

@OptIn(KittiwakeSpi::class)
private val rivals =
    listOf(
        Rival("rescues the job") { connection, _ -> rescues(connection) },
        Rival("rescues the job to end it", maxAttempts = 1) { connection, _ -> rescues(connection) },
        Rival("returns the job") { connection, claim -> returns(connection, claim) },
        Rival("gives all back") { connection, claim -> GiveBack(Schema(schema)).leave(connection, claim.worker) },
        Rival("cancels the job") { connection, claim ->
            CancelJob(Schema(schema), Retention.Default).execute(connection, claim.id)
        },
        Rival("changes the job", keepsTheClaim = true) { connection, claim ->
            connection.createStatement().use {
                it.execute("update $schema.job set priority = 7 where id = ${claim.id}")
            }
        },
    )

@OptIn(KittiwakeSpi::class)
private fun Kittiwake.rescues(connection: Connection) {
    RescueJobs(Schema(schema), Retention.Default, crashLimit = null).execute(connection, ZERO, 10, by = null)
}

@OptIn(KittiwakeSpi::class)
private fun Kittiwake.returns(connection: Connection, claim: ClaimedJob) {
    ReturnJobs(Schema(schema)).execute(connection, claim.worker, listOf(failed(claim)), emptySet())
}

/** Two jobs, in one claim. */
@OptIn(KittiwakeSpi::class)
private suspend fun Kittiwake.claimTwo(maxAttempts: Int = 20): List<ClaimedJob> {
    store.insert(List(2) { aJob(maxAttempts = maxAttempts) })
    return store.claim(aWorkerOf(store), images, 2)
}

/** A handler's transaction, up to its end. */
@OptIn(KittiwakeSpi::class)
private suspend fun <T> Kittiwake.inTransaction(
    claim: ClaimedJob,
    source: DataSource = TestDatabase.dataSource,
    isolation: Int = Connection.TRANSACTION_READ_COMMITTED,
    block: suspend (Connection) -> T,
): T = source.connection.use { own ->
    own.autoCommit = false
    own.transactionIsolation = isolation
    fence().open(own, claim)
    own.prepareStatement("select 'a snapshot is taken'").use { it.executeQuery() }
    block(own).also { if (!own.isClosed) own.rollback() }
}

/** Whether the fence, which has to wait for [rival], lets the job be completed. If not, nothing has become of it. */
@OptIn(KittiwakeSpi::class)
private suspend fun Kittiwake.closesBeside(rival: Rival, source: DataSource, commits: Boolean): Boolean =
    coroutineScope {
        val claim = claimTwo(rival.maxAttempts).first()
        TestDatabase.dataSource.connection.use { other ->
            other.autoCommit = false
            inTransaction(claim, source) { own ->
                rival.act(this@closesBeside, other, claim)
                val closing = async(Dispatchers.IO) { runCatching { fence().commit(own, claim, "1", 5.milliseconds) } }
                awaitBlocked(1)
                if (commits) other.commit() else other.rollback()
                val closed = closing.await()
                closed.onFailure { it.message!! shouldContain "was lost while its handler ran" }
                val left = TestDatabase.query("select id from $schema.job where id = ${claim.id}")
                if (closed.isSuccess) left.shouldBeEmpty()
                closed.isSuccess
            }
        }
    }

/** What the fence says when [rival] is done, in a transaction that does not see it. */
@OptIn(KittiwakeSpi::class)
private suspend fun Kittiwake.closesAfter(rival: Rival, source: DataSource): Result<Unit> {
    val claim = claimTwo(rival.maxAttempts).first()
    return inTransaction(claim, source, Connection.TRANSACTION_REPEATABLE_READ) { own ->
        TestDatabase.connect { rival.act(this, it, claim) }
        runCatching { fence().commit(own, claim, "1", 5.milliseconds) }
    }
}

/** Runs [block] while the transaction of a handler is past the fence, and its commit waits for something of its own. */
@OptIn(KittiwakeSpi::class)
private suspend fun Kittiwake.whileCommitting(
    claim: ClaimedJob,
    block: suspend Committing.(committing: Deferred<Result<Unit>>) -> Unit,
): Unit = coroutineScope {
    TestDatabase.execute(
        """
        create table $schema.effect (number int);
        create function $schema.wait() returns trigger language plpgsql as 'begin
            perform pg_advisory_xact_lock(hashtext(tg_table_schema));
            return null;
        end';
        create constraint trigger wait after insert on $schema.effect initially deferred
            for each row execute function $schema.wait();
        """.trimIndent(),
    )
    TestDatabase.dataSource.connection.use { gate ->
        gate.createStatement().use { it.execute("select pg_advisory_lock(hashtext('$schema'))") }
        inTransaction(claim) { own ->
            own.prepareStatement("insert into $schema.effect values (1)").use { it.executeUpdate() }
            val process = own.unwrap(PGConnection::class.java).backendPID
            val committing = async(Dispatchers.IO) { runCatching { fence().commit(own, claim, null, ZERO) } }
            awaitBlocked(1)
            Committing(this, gate, process).block(committing)
        }
    }
}

private class Committing(scope: CoroutineScope, private val gate: Connection, private val process: Int) :
    CoroutineScope by scope {
    fun kill() {
        TestDatabase.query("select pg_terminate_backend($process)")
    }

    fun letCommit() {
        gate.createStatement().use { it.execute("select pg_advisory_unlock_all()") }
    }
}

private suspend fun awaitBlocked(transactions: Int) = eventually(20.seconds) {
    TestDatabase.query("select pid from pg_locks where not granted").size shouldBe transactions
}

private suspend fun Kittiwake.endingOf(id: JobId): Ending? = (find(id)!!.state as? JobState.Ended)?.ending
