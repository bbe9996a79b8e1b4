package kittiwake.postgres

import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.postgres.statement.MakeOffers
import java.sql.Connection
import kotlin.random.Random

/**
 * The leases that one worker, in one life, has offered to enqueuers, one a queue, and not heard of since. What it takes
 * back may be in an enqueuer's hands at that moment: it is looked after until it is clear what has become of it.
 *
 * One statement at a time; what is heard may come meanwhile.
 */
internal class Offers(schema: Schema, private val worker: WorkerId) {
    private val statements = MakeOffers(schema)
    private val standing = mutableMapOf<QueueName, Long>()
    private val open = mutableMapOf<Long, QueueName>()

    /** Unless one stands, of which nobody has heard that it was taken. */
    fun make(connection: Connection, queue: QueueName) {
        val lease = Random.nextLong(1, Long.MAX_VALUE)
        synchronized(this) {
            if (standing.putIfAbsent(queue, lease) != null) return
            open[lease] = queue
        }
        try {
            statements.offer(connection, worker, queue, lease)
        } catch (e: Exception) {
            synchronized(this) { standing.remove(queue, lease) }
            throw e
        }
    }

    /** From now on it is not to be taken, though somebody may have. */
    fun withdraw(connection: Connection, queue: QueueName) {
        val lease = synchronized(this) { standing.remove(queue) } ?: return
        val gone = statements.withdraw(connection, listOf(lease))
        synchronized(this) { open -= gone }
    }

    /** The queue whose offer has become [lease], the first time that it is told. */
    fun taken(lease: Long): QueueName? = synchronized(this) {
        open.remove(lease)?.also { standing.remove(it, lease) }
    }

    /** On a new connection: who looked meanwhile has found nobody here, and thrown away what was offered. */
    fun renew(connection: Connection) {
        val queues = synchronized(this) { standing.keys.toList().also { standing.clear() } }
        withdrawAgain(connection)
        queues.forEach { make(connection, it) }
    }

    /** Finds out what has become of them. Returns those that were taken, by their queues. */
    fun look(connection: Connection): Map<Long, QueueName> {
        val asked = synchronized(this) { open.keys.toList() }
        if (asked.isEmpty()) return emptyMap()
        val found = statements.look(connection, asked)
        val taken = found.taken.mapNotNull { lease -> taken(lease)?.let { lease to it } }.toMap()
        val gone = asked - found.standing
        synchronized(this) { gone.forEach { lease -> open.remove(lease)?.let { standing.remove(it, lease) } } }
        withdrawAgain(connection)
        return taken
    }

    private fun withdrawAgain(connection: Connection) {
        val withdrawn = synchronized(this) { open.keys - standing.values.toSet() }
        if (withdrawn.isEmpty()) return
        val gone = statements.withdraw(connection, withdrawn)
        synchronized(this) { open -= gone }
    }
}
