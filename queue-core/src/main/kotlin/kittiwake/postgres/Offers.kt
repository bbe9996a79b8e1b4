package kittiwake.postgres

import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.postgres.statement.MakeOffers
import java.sql.Connection
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeMark
import kotlin.time.TimeSource

/**
 * The leases that one worker, in one life, has offered to enqueuers, one a queue. Each is looked after until it is clear
 * what has become of it: what was taken back may be in an enqueuer's hands at that moment, and what was taken may not have
 * been heard of.
 *
 * One statement at a time; what is heard, and taken up, may come meanwhile.
 */
internal class Offers(schema: Schema, private val worker: WorkerId) {
    private val statements = MakeOffers(schema)

    /** Those that may still be taken, as far as is known. */
    private val standing = mutableMapOf<QueueName, Long>()

    /** All of which it is not known whether they were taken, and since when it is not known whether they were made. */
    private val open = mutableMapOf<Long, Offer>()

    /** Those that were taken, and nobody has taken up. */
    private val taken = mutableMapOf<Long, QueueName>()

    private class Offer(val queue: QueueName) {
        var inDoubtSince: TimeMark? = TimeSource.Monotonic.markNow()
    }

    /** Unless one stands. [session] is the key of the lock that [connection] holds. */
    fun make(connection: Connection, session: Long, queue: QueueName) {
        val lease = Random.nextLong(1, Long.MAX_VALUE)
        val offer = Offer(queue)
        synchronized(this) {
            if (standing.putIfAbsent(queue, lease) != null) return
            open[lease] = offer
        }
        try {
            statements.offer(connection, worker, session, queue, lease)
            synchronized(this) { offer.inDoubtSince = null }
        } catch (e: Exception) {
            synchronized(this) { standing.remove(queue, lease) }
            throw e
        }
    }

    /** From now on it is not to be taken, though somebody may have. */
    fun withdraw(connection: Connection, queue: QueueName) {
        synchronized(this) { standing.remove(queue) } ?: return
        withdrawTheRest(connection)
    }

    /** On a new connection, which holds another lock: who looked meanwhile has found nobody here. */
    fun renew(connection: Connection, session: Long, queues: Set<QueueName>) {
        val lost = synchronized(this) { (standing.keys intersect queues).also { standing.clear() } }
        withdrawTheRest(connection)
        lost.forEach { make(connection, session, it) }
    }

    /** The queue whose offer has become [lease], the first time that it is told. */
    fun heard(lease: Long): QueueName? = synchronized(this) {
        val offer = open.remove(lease) ?: return null
        standing.remove(offer.queue, lease)
        taken[lease] = offer.queue
        offer.queue
    }

    /** Whether [lease] is to be taken up, the first time that this is asked, and not after [close]. */
    fun takeUp(lease: Long): Boolean = synchronized(this) { taken.remove(lease) != null }

    /** Finds out what has become of them. Returns those that were taken and nobody has taken up, with their queues. */
    fun look(connection: Connection, session: Long): Map<Long, QueueName> {
        val asked = synchronized(this) { open.keys.toList() }
        if (asked.isNotEmpty()) lookAfter(asked, connection, session)
        return synchronized(this) { taken.toMap() }
    }

    private fun lookAfter(asked: List<Long>, connection: Connection, session: Long) {
        val found = statements.look(connection, asked)
        found.filter { it.isTaken }.forEach { heard(it.lease) }
        synchronized(this) {
            found.filterNot { it.stands || it.isTaken || isInDoubt(it.lease) }.forEach { forget(it.lease) }
        }
        val renewed = synchronized(this) { found.filter { it.stands && it.isOld }.mapNotNull { setAside(it.lease) } }
        withdrawTheRest(connection)
        renewed.forEach { make(connection, session, it) }
    }

    /** Nothing is taken up any more. Returns the leases in which something may be, now or later, and their queues. */
    fun close(): Map<Long, QueueName> = synchronized(this) {
        (open.mapValues { it.value.queue } + taken).also {
            standing.clear()
            open.clear()
            taken.clear()
        }
    }

    private fun setAside(lease: Long): QueueName? = open[lease]?.queue?.takeIf { standing.remove(it, lease) }

    private fun forget(lease: Long) {
        open.remove(lease)?.let { standing.remove(it.queue, lease) }
    }

    /** Its statement may still be under way. */
    private fun isInDoubt(lease: Long): Boolean =
        open[lease]?.inDoubtSince.let { it != null && it.elapsedNow() < UNDER_WAY_AT_MOST }

    private fun withdrawTheRest(connection: Connection) {
        val withdrawn = synchronized(this) { open.keys - standing.values.toSet() }
        if (withdrawn.isEmpty()) return
        val gone = statements.withdraw(connection, withdrawn)
        synchronized(this) { open -= gone }
    }

    private companion object {
        /** Longer than the statement timeout. */
        val UNDER_WAY_AT_MOST: Duration = 30.seconds
    }
}
