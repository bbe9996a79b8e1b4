package kittiwake.exposed

import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kittiwake.postgres.Kittiwake
import org.jetbrains.exposed.v1.core.Key
import org.jetbrains.exposed.v1.core.Transaction
import org.jetbrains.exposed.v1.core.statements.StatementInterceptor
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import java.util.concurrent.ConcurrentHashMap

private val key = Key<WakeAfterCommit>()

/** Tells sleeping workers of [queues] when this transaction has really committed: not when a nested one has. */
@OptIn(KittiwakeSpi::class)
internal fun JdbcTransaction.wakeAfterCommit(kittiwake: Kittiwake, queues: Set<QueueName>) {
    val root = root()
    root.getOrCreate(key) { WakeAfterCommit(kittiwake).also { root.registerInterceptor(it) } }.queues += queues
}

/**
 * Listens on the root transaction. It must not throw and must not use the connection: Exposed would take the commit for
 * failed and run the block again.
 */
@OptIn(KittiwakeSpi::class)
private class WakeAfterCommit(private val kittiwake: Kittiwake) : StatementInterceptor {
    val queues: MutableSet<QueueName> = ConcurrentHashMap.newKeySet()

    /** Blocks that commit by hand go on with this one, rather than with one more after each commit. */
    override fun keepUserDataInTransactionStoreOnCommit(userData: Map<Key<*>, Any?>): Map<Key<*>, Any?> =
        mapOf(key to this)

    override fun afterCommit(transaction: Transaction) {
        if (queues.isEmpty()) return
        kittiwake.wake(queues.toSet())
        queues.clear()
    }

    override fun afterRollback(transaction: Transaction) {
        queues.clear()
    }
}
