package chaos.work

import chaos.history.Journal
import kittiwake.exposed.enqueueAll
import kittiwake.exposed.handleInTransaction
import kittiwake.job.JobScope
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.delay
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.sql.Connection
import java.sql.SQLException
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** What the jobs of a run do, in a worker process. Each begin and each end of a handler is a line of the journal. */
class Deeds(private val db: Database, private val journal: Journal, private val isMortal: Boolean = true) {
    fun bind(worker: WorkerBuilder): Unit = with(worker) {
        inTransaction(Deed.BANK) { args ->
            val (first, second) = listOf(args.from to -1, args.to to 1).sortedBy { it.first }
            move(first)
            move(second)
            effect("moved")
        }
        inTransaction(Deed.CHAIN) { args ->
            effect("reached ${args.depth}")
            if (args.depth > 0) {
                contextOf<JdbcTransaction>().enqueueAll(
                    DeedTypes.of(Deed.CHAIN),
                    List(Deed.CHAIN_FAN) {
                        args.copy(
                            depth =
                                args.depth - 1,
                        )
                    },
                )
            }
        }
        inTransaction(Deed.ABUSIVE) { args ->
            effect("before")
            if (attempt <= args.failures) {
                abuse(args.abuse)
                effect("after")
            } else {
                effect("done")
            }
        }
        suspending(Deed.EXTERNAL) { args -> delay(args.millis.milliseconds) }
        suspending(Deed.KEYED) { args -> delay(args.millis.milliseconds) }
        suspending(Deed.FAILING) { args -> check(attempt > args.failures) { "As it was told, attempt $attempt fails" } }
        suspending(Deed.SLOW) { args -> delay(args.millis.milliseconds) }
        suspending(Deed.LATE) { delay(if (attempt == 1) 5.seconds else 10.milliseconds) }
        suspending(Deed.STUBBORN) { args -> stubbornly(args.millis) }
        decide(DeedTypes.of(Deed.SNOOZING)) { args ->
            journal.noting(this) { if (attemptsSeen.add(args.business)) snooze(300.milliseconds) else done(Unit) }
        }
        suspending(Deed.POISON) {
            if (isMortal) Runtime.getRuntime().halt(HALTED) else error("This process outlives it")
        }
        suspending(Deed.UNREADABLE) { error("Its args cannot be read") }
    }

    private val attemptsSeen = java.util.concurrent.ConcurrentHashMap.newKeySet<Long>()

    private fun WorkerBuilder.suspending(deed: Deed, block: suspend JobScope.(DeedArgs) -> Unit) {
        handle(DeedTypes.of(deed)) { args -> journal.noting(this) { block(args) } }
    }

    private fun WorkerBuilder.inTransaction(deed: Deed, block: context(JdbcTransaction) JobScope.(DeedArgs) -> Unit) {
        handleInTransaction(DeedTypes.of(deed), db) { args -> journal.noting(this) { block(this, args) } }
    }

    context(tx: JdbcTransaction)
    private fun move(step: Pair<Int, Int>) {
        tx.jdbc.prepareStatement("update chaos.account set balance = balance + ? where id = ?").use {
            it.setInt(1, step.second)
            it.setInt(2, step.first)
            it.executeUpdate()
        }
    }

    context(tx: JdbcTransaction)
    private fun abuse(abuse: Abuse): Unit = when (abuse) {
        Abuse.COMMITS -> tx.commit()
        Abuse.ROLLS_BACK -> tx.rollback()
        Abuse.CATCHES_NESTED_ERROR ->
            try {
                transaction(db) { exec("select 1 / 0") { } }.let { }
            } catch (_: SQLException) {
                // As careless as a handler can be.
            }
    }

    private suspend fun stubbornly(millis: Long) {
        val until = System.nanoTime() + millis * 1_000_000
        while (System.nanoTime() < until) {
            try {
                delay(20.milliseconds)
            } catch (_: CancellationException) {
                Thread.onSpinWait()
            }
        }
    }

    private val JdbcTransaction.jdbc get() = connection.connection as Connection

    private companion object {
        const val HALTED = 137
    }
}
