package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.internal.forever
import kittiwake.job.QueueName
import kittiwake.store.LocalBells
import kittiwake.store.Wakeups
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import org.postgresql.PGConnection
import org.slf4j.LoggerFactory
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.Executor
import java.util.concurrent.atomic.AtomicReference
import kotlin.random.Random
import kotlin.time.Duration.Companion.seconds

/**
 * Hears NOTIFY on a connection of its own, and holds the shared advisory locks that tell enqueuers which queues
 * somebody sleeps in.
 *
 * The locks are on a second connection, because the first is always reading. Reads are bounded: one without an end may
 * never notice a dead network. After every reconnection all bells ring, for what was missed meanwhile.
 */
@OptIn(KittiwakeSpi::class)
internal class PostgresWakeups(
    private val schema: Schema,
    private val source: ConnectionSource,
    private val queues: Set<QueueName>,
    private val locals: LocalBells,
    private val engine: EngineDispatcher,
    private val blocking: CoroutineDispatcher,
) : Wakeups {
    private val sleepers = OwnConnection(source, "sleepers", NETWORK_TIMEOUT)
    private val quiet = mutableSetOf<QueueName>()
    private val lock =
        NamedSql("/* kittiwake: sleep */ select pg_advisory_lock_shared({schema}.sleep_key(:queue))", schema)
    private val unlock =
        NamedSql("/* kittiwake: rise */ select pg_advisory_unlock_shared({schema}.sleep_key(:queue))", schema)

    override suspend fun listen(ring: (QueueName?) -> Unit) {
        val reading = AtomicReference<Connection?>()
        locals.add(ring)
        try {
            coroutineScope {
                launch(blocking) { forever("Listening for wake-ups", log, Random) { read(ring, reading) } }
                try {
                    awaitCancellation()
                } finally {
                    // Not in the midst of a claim: its answer would be lost.
                    synchronized(reading) { reading.get()?.abort(DIRECTLY) }
                }
            }
        } finally {
            locals.remove(ring)
            sleepers.close()
        }
    }

    private suspend fun read(ring: (QueueName?) -> Unit, reading: AtomicReference<Connection?>) {
        source.openListener(NETWORK_TIMEOUT).use { connection ->
            reading.set(connection)
            connection.createStatement().use { it.execute("listen \"${schema.channel}\"") }
            val notifications = connection.unwrap(PGConnection::class.java)
            checkSleepers()
            ring(null)
            while (true) {
                currentCoroutineContext().ensureActive()
                val heard = notifications.getNotifications(READ_FOR) ?: emptyArray()
                val news = heard.mapNotNullTo(mutableSetOf()) { queues.find { queue -> queue.value == it.parameter } }
                when (news.size) {
                    0 -> Unit
                    1 -> synchronized(reading) { engine.hear(connection) { ring(news.single()) } }
                    // Their claims would wait for each other on this thread.
                    else -> news.forEach(ring)
                }
                if (heard.isEmpty()) connection.createStatement().use { it.execute("select 1") }
                if (heard.isEmpty() && !checkSleepers()) ring(null)
            }
        }
    }

    override suspend fun quiet(queue: QueueName): Unit = withContext(blocking) {
        sleepers.use(::lockAgain) { connection ->
            if (quiet.add(queue)) lock.query(connection, { this["queue"] = queue.value }) {}
        }
    }

    override suspend fun busy(queue: QueueName): Unit = withContext(blocking) {
        sleepers.use(::lockAgain) { connection ->
            if (quiet.remove(queue)) unlock.query(connection, { this["queue"] = queue.value }) {}
        }
    }

    /**
     * Whether the sleepers' connection still holds its locks; if not, another one does now, and what was enqueued
     * meanwhile was signalled to nobody.
     */
    private fun checkSleepers(): Boolean {
        val ping = { connection: Connection -> connection.createStatement().use { it.execute("select 1") } }
        return try {
            sleepers.use(::lockAgain, ping)
        } catch (_: SQLException) {
            sleepers.use(::lockAgain, ping)
            false
        }
    }

    /** A new connection holds none of the locks that the one before held. */
    private fun lockAgain(connection: Connection) {
        quiet.forEach { queue -> lock.query(connection, { this["queue"] = queue.value }) {} }
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.wakeups")!!
        val NETWORK_TIMEOUT = 10.seconds
        val READ_FOR = 5.seconds.inWholeMilliseconds.toInt()
        val DIRECTLY = Executor { it.run() }
    }
}
