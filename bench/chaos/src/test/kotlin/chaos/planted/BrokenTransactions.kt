@file:OptIn(KittiwakeSpi::class)

package chaos.planted

import chaos.history.Journal
import chaos.history.Outcome
import chaos.plan.FaultKind
import chaos.work.Abuse
import chaos.work.Deed
import chaos.work.DeedArgs
import chaos.work.DeedTypes
import chaos.work.Deeds
import chaos.work.effect
import chaos.work.noting
import kittiwake.KittiwakeSpi
import kittiwake.exposed.handleInTransaction
import kittiwake.job.JobHandler
import kittiwake.job.JobScope
import kittiwake.job.Outcome.Written
import kittiwake.job.onBlockingThread
import kittiwake.postgres.Kittiwake
import kotlinx.coroutines.runBlocking
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.inTopLevelTransaction
import java.sql.Connection
import kotlin.time.Duration.Companion.ZERO
import kittiwake.job.Outcome as HandlerOutcome

/** The transaction of a handler is Exposed's to repeat, and the answer to its commit is lost. */
val letExposedRetry = PlantedBug("lets Exposed repeat a handler's transaction", check = "K11") { isPlanted ->
    val users = MutatingDataSource(plain)
    val fences = kittiwake(plain)
    worker("worker-1", users = users) { db, journal ->
        if (isPlanted) {
            bind(DeedTypes.of(Deed.BANK)) { handler(RepeatedTransaction(fences, db, journal)) }
        } else {
            handleInTransaction(DeedTypes.of(Deed.BANK), db) { journal.noting(this) { effect("moved") } }
        }
    }
    users.loseNextAnswer()
    struck(FaultKind.CUT_AFTER_COMMIT, "worker-1")
    MiniatureProducer(this, plain).offer(Deed.BANK)
}

/** The fence does not ask whether the transaction is still the one that the handler was given. */
val dropTheMarker = PlantedBug("completes in whatever transaction the handler left", check = "K2") { isPlanted ->
    val marked = Mutation("complete job", "current_setting('kittiwake.claim', true) = ?", "? is not null")
    val users = MutatingDataSource(plain, if (isPlanted) listOf(marked) else emptyList())
    worker("worker-1", users = users) { db, journal -> Deeds(db, journal).bind(this) }
    val producer = MiniatureProducer(this, plain)
    for (abuse in Abuse.entries) {
        producer.offer(Deed.ABUSIVE, listOf(DeedArgs(business = 0, failures = 1, abuse = abuse)))
    }
}

/** The job is committed before the transaction that it belongs to, which then rolls back. */
val enqueueElsewhere = PlantedBug("enqueues on another connection", check = "K1") { isPlanted ->
    worker("worker-1") { db, journal -> Deeds(db, journal).bind(this) }
    val producer = MiniatureProducer(this, plain)
    for (ending in listOf(Outcome.COMMITTED, Outcome.ROLLED_BACK)) {
        producer.offer(Deed.EXTERNAL, ending = ending, enqueue = { connection, args ->
            if (isPlanted) {
                runBlocking { producer.kittiwake.submitAll(DeedTypes.of(Deed.EXTERNAL), args) }
            } else {
                producer.kittiwake.enqueueAll(connection, DeedTypes.of(Deed.EXTERNAL), args)
            }
        })
    }
}

/** The transactional form as it must not be: with as many attempts as Exposed gives. */
private class RepeatedTransaction(
    private val kittiwake: Kittiwake,
    private val db: Database,
    private val journal: Journal,
) : JobHandler<DeedArgs, Unit> {
    override suspend fun JobScope.work(args: DeedArgs): HandlerOutcome<Unit> {
        val job = this
        val fence = kittiwake.fence()
        onBlockingThread {
            inTopLevelTransaction(db, readOnly = false) {
                fence.open(jdbc, job.claim)
                journal.noting(job) { job.effect("moved") }
                fence.commit(jdbc, job.claim, result = null, took = ZERO)
            }
        }
        return Written
    }

    private val JdbcTransaction.jdbc get() = connection.connection as Connection
}
