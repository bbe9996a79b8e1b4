package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.store.Inserted
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.completeWith
import kotlinx.coroutines.withContext
import java.sql.SQLException
import kotlin.coroutines.CoroutineContext

/**
 * Lets jobs of several callers share a statement, and so a wait for the disk: who comes while [AT_ONCE] statements are
 * under way waits, and the first of those who wait then stores what all of them have. Who comes alone waits for nobody.
 *
 * To each it is as if it were alone: its jobs are stored all or none, and what the server refuses of one is not refused
 * of another. Who is cancelled while it waits has stored nothing; once its jobs are sent, it may have. See decision 0037.
 *
 * Nobody needs a thread of its own to lead: it goes on wherever the one before it has ended, which is a thread of the
 * store. A caller whose threads are all blocked would hold up the others else.
 */
@OptIn(KittiwakeSpi::class)
internal class SharedInserts(
    private val threads: CoroutineContext,
    private val store: suspend (List<NewJob>) -> List<Inserted>,
) {
    private class Caller(val jobs: List<NewJob>) {
        /** What became of its jobs; null tells it to lead. */
        val answer = CompletableDeferred<List<Inserted>?>()
        val characters = jobs.sumOf { it.args.length }
        var leads = false
    }

    private val waiting = ArrayDeque<Caller>()
    private var leaders = 0

    suspend fun insert(jobs: List<NewJob>): List<Inserted> {
        if (!mayShare(jobs)) return store(jobs)
        return withContext(Dispatchers.Unconfined) { insertAs(Caller(jobs)) }
    }

    private suspend fun insertAs(caller: Caller): List<Inserted> {
        if (!arrive(caller)) {
            try {
                caller.answer.await()?.let { return it }
            } catch (e: Throwable) {
                leave(caller)
                throw e
            }
        }
        return lead(caller)
    }

    /** A key may have to wait for another transaction, and then nobody else should; a full statement has room for nobody. */
    private fun mayShare(jobs: List<NewJob>): Boolean = jobs.size < MOST_JOBS && jobs.all { it.uniqueKey == null }

    /** Whether it leads at once; else it waits. */
    private fun arrive(caller: Caller): Boolean = synchronized(this) {
        val leads = leaders < AT_ONCE
        if (leads) leaders++ else waiting += caller
        leads
    }

    /** It waits no longer. If it was told to lead in this very moment, somebody else must. */
    private fun leave(caller: Caller) {
        val wasToLead = synchronized(this) {
            waiting -= caller
            caller.leads
        }
        if (wasToLead) passOn()
    }

    /** Whoever is told goes on in this call, so it is told without the lock. */
    private fun passOn() {
        val next = synchronized(this) {
            val next = waiting.removeFirstOrNull()
            if (next == null) leaders-- else next.leads = true
            next
        }
        next?.answer?.complete(null)
    }

    private suspend fun lead(leader: Caller): List<Inserted> = try {
        // Who has come by the time that a thread is free shares, too.
        withContext(threads) { storeWithOthers(leader) }
    } finally {
        passOn()
    }

    private suspend fun storeWithOthers(leader: Caller): List<Inserted> {
        val others = takeWaiting(leader)
        if (others.isEmpty()) return store(leader.jobs)
        // Their jobs are stored, too, whether the leader is cancelled or not.
        return withContext(NonCancellable) {
            val outcomes = storeTogether(listOf(leader) + others)
            others.zip(outcomes.drop(1)) { caller, outcome -> caller.answer.completeWith(outcome) }
            outcomes.first().getOrThrow()
        }
    }

    /** Those whose jobs go into one statement with the [leader]'s. */
    private fun takeWaiting(leader: Caller): List<Caller> = synchronized(this) {
        var room = MOST_JOBS - leader.jobs.size
        var characters = MOST_CHARACTERS - leader.characters
        buildList {
            while (true) {
                val next = waiting.firstOrNull() ?: break
                room -= next.jobs.size
                characters -= next.characters
                if (room < 0 || characters < 0) break
                add(waiting.removeFirst())
            }
        }
    }

    /** What becomes of each caller's jobs, in order. Whose the server refuses is found by halving. Nobody can cancel it. */
    private suspend fun storeTogether(callers: List<Caller>): List<Result<List<Inserted>>> {
        val stored = runCatching { shares(callers, store(callers.flatMap { it.jobs })) }
        val failure = stored.exceptionOrNull() ?: return stored.getOrThrow().map { Result.success(it) }
        val isOnesOwn = failure is SQLException && failure.isRefusal && callers.size > 1
        if (isOnesOwn) return callers.chunked((callers.size + 1) / 2).flatMap { storeTogether(it) }
        return callers.map { Result.failure(failure) }
    }

    private fun shares(callers: List<Caller>, stored: List<Inserted>): List<List<Inserted>> {
        val rest = stored.iterator()
        return callers.map { caller -> List(caller.jobs.size) { rest.next() } }
    }

    private companion object {
        /** One waits for the disk, or the network, while another is written. */
        const val AT_ONCE = 2

        /** As many as a transaction of `submitAll` has. */
        const val MOST_JOBS = 1_000

        /** A statement of more would take its time, and everybody would wait for it. */
        const val MOST_CHARACTERS = 4_000_000
    }
}
