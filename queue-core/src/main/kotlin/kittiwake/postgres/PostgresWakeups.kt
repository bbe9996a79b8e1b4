package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.internal.forever
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
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
import org.postgresql.PGNotification
import org.slf4j.LoggerFactory
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.Executor
import java.util.concurrent.atomic.AtomicReference
import kotlin.random.Random
import kotlin.time.Duration.Companion.seconds

/**
 * Hears NOTIFY on a connection of its own, and holds the shared advisory locks that tell enqueuers which queues
 * somebody sleeps in, and that who has made an offer is there.
 *
 * The locks are on a second connection, because the first is always reading. Reads are bounded: one without an end may
 * never notice a dead network. After every reconnection all bells ring, for what was missed meanwhile.
 */
@OptIn(KittiwakeSpi::class)
internal class PostgresWakeups(
    private val schema: Schema,
    private val source: ConnectionSource,
    worker: WorkerId,
    private val queues: Set<QueueName>,
    private val offers: Offers,
    private val locals: LocalBells,
    private val engine: EngineDispatcher,
    private val blocking: CoroutineDispatcher,
) : Wakeups {
    private val sleepers = OwnConnection(source, "sleepers", NETWORK_TIMEOUT)
    private val quiet = mutableSetOf<QueueName>()
    private val own = "kittiwake/$worker"
    private val lock =
        NamedSql("/* kittiwake: sleep */ select pg_advisory_lock_shared({schema}.sleep_key(:queue))", schema)
    private val unlock =
        NamedSql("/* kittiwake: rise */ select pg_advisory_unlock_shared({schema}.sleep_key(:queue))", schema)
    private val beThere = NamedSql("/* kittiwake: be there */ select pg_advisory_lock(:session)", schema)

    /** The key of a lock that the sleepers' connection holds: whoever takes an offer sees by it that somebody is there. */
    private var session = 0L

    @Volatile
    private var ears: Wakeups.Ears? = null

    override suspend fun listen(ears: Wakeups.Ears) {
        val reading = AtomicReference<Connection?>()
        val ring = ears::ring
        this.ears = ears
        locals.add(ring)
        try {
            coroutineScope {
                launch(blocking) { forever("Listening for wake-ups", log, Random) { read(ears, reading) } }
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

    private suspend fun read(ears: Wakeups.Ears, reading: AtomicReference<Connection?>) {
        source.openListener(NETWORK_TIMEOUT).use { connection ->
            reading.set(connection)
            connection.createStatement().use { it.execute("listen \"${schema.channel}\"; listen \"$own\"") }
            val notifications = connection.unwrap(PGConnection::class.java)
            checkSleepers()
            ears.ring(null)
            lookForHandedOver()
            while (true) {
                currentCoroutineContext().ensureActive()
                val heard = notifications.getNotifications(READ_FOR) ?: emptyArray()
                val news = heard.mapNotNullTo(mutableSetOf()) { newsIn(it) }
                when (news.size) {
                    0 -> Unit
                    1 -> synchronized(reading) { engine.hear(connection) { news.single().tell(ears) } }
                    // Their claims would wait for each other on this thread.
                    else -> news.forEach { it.tell(ears) }
                }
                if (heard.isEmpty()) connection.createStatement().use { it.execute("select 1") }
                if (heard.isEmpty() && !checkSleepers()) ears.ring(null)
            }
        }
    }

    /** Of a [queue]: look there, or take up what is in [lease]. */
    private data class News(val queue: QueueName, val lease: Long?) {
        fun tell(ears: Wakeups.Ears): Unit = if (lease == null) ears.ring(queue) else ears.handedOver(queue, lease)
    }

    private fun newsIn(notification: PGNotification): News? {
        if (notification.name != own) return queues.find { it.value == notification.parameter }?.let { News(it, null) }
        val lease = notification.parameter.toLongOrNull() ?: return null
        return offers.heard(lease)?.let { News(it, lease) }
    }

    override suspend fun quiet(queue: QueueName): Unit = withContext(blocking) {
        sleepers.use(::lockAgain) { connection ->
            if (quiet.add(queue)) lock.query(connection, { this["queue"] = queue.value }) {}
        }
    }

    override suspend fun offer(queue: QueueName): Unit = withContext(blocking) {
        try {
            sleepers.use(::lockAgain) { connection -> if (queue in quiet) offers.make(connection, session, queue) }
        } catch (e: SQLException) {
            log.debug("Nothing is offered in queue \"{}\" for now", queue, e)
        }
    }

    override suspend fun lookForHandedOver() {
        val taken = withContext(blocking) { sleepers.use(::lockAgain) { offers.look(it, session) } }
        taken.forEach { (lease, queue) -> ears?.handedOver(queue, lease) }
    }

    override suspend fun busy(queue: QueueName): Unit = withContext(blocking) {
        sleepers.use(::lockAgain) { connection ->
            if (quiet.remove(queue)) unlock.query(connection, { this["queue"] = queue.value }) {}
            offers.withdraw(connection, queue)
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

    /** A new connection holds none of the locks that the one before held: what came meanwhile was signalled to nobody. */
    private fun lockAgain(connection: Connection) {
        session = Random.nextLong()
        beThere.query(connection, { this["session"] = session }) {}
        quiet.forEach { queue -> lock.query(connection, { this["queue"] = queue.value }) {} }
        offers.renew(connection, session, quiet)
        if (quiet.isNotEmpty()) ears?.ring(null)
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.wakeups")!!
        val NETWORK_TIMEOUT = 10.seconds
        val READ_FOR = 5.seconds.inWholeMilliseconds.toInt()
        val DIRECTLY = Executor { it.run() }
    }
}
