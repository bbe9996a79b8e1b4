package simulation

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.JobSnapshot
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.store.Cancellation
import kittiwake.store.Completion
import kittiwake.store.Inserted
import kittiwake.store.JobStore
import kittiwake.store.Promotion
import kittiwake.store.Pulse
import kittiwake.store.Rescued
import kittiwake.store.Wakeups
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.sync.Semaphore
import kotlinx.coroutines.sync.withPermit
import java.sql.SQLException
import kotlin.coroutines.CoroutineContext
import kotlin.time.ComparableTimeMark
import kotlin.time.Duration

/**
 * The store as one process has it: a few connections to [server], a heartbeat of its own, and the memory of claims
 * whose answer was lost, which it gives back with its next heartbeats, as the PostgreSQL store does.
 */
@OptIn(KittiwakeSpi::class)
class NodeStore(
    private val server: JobStore,
    private val world: World,
    private val network: Network,
    private val timeouts: Network.Timeouts,
    private val hints: Hints,
    private val link: Link,
    override val engine: CoroutineContext,
) : JobStore {
    private val connections = Semaphore(CONNECTIONS)
    private var ring: (QueueName?) -> Unit = {}

    /** What each claim took, by a number that this process has drawn: the server knows, whoever heard of it. */
    private val taken = HashMap<Long, List<ClaimedJob>>()
    private val doubtful = LinkedHashMap<Long, ComparableTimeMark>()
    private var lastClaim = 0L

    override val pulse: CoroutineContext get() = engine

    /** What was done under cancellation was done, but nobody hears the answer. */
    private suspend fun <T> pooled(verb: String, isWrite: Boolean = true, work: suspend () -> T): T = connections
        .withPermit { network.call(link, verb, timeouts.pool, isWrite, work) }
        .also { currentCoroutineContext().ensureActive() }

    private suspend fun <T> ownConnection(verb: String, work: suspend () -> T): T = network
        .call(link, verb, timeouts.heart, isWrite = true, work)
        .also { currentCoroutineContext().ensureActive() }

    override suspend fun insert(jobs: List<NewJob>): List<Inserted> =
        pooled("insert") { server.insert(jobs) }.also { hints.send(jobs.mapTo(mutableSetOf()) { it.queue }) }

    override suspend fun join(worker: WorkerId, name: String, queues: Set<QueueName>, lease: Duration): Unit =
        pooled("join $worker") { server.join(worker, name, queues, lease) }

    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> {
        val claim = ++lastClaim
        return try {
            pooled("claim $limit of $queue") { server.claim(worker, queue, limit).also { taken[claim] = it } }
        } catch (e: SQLException) {
            doubtful[claim] = world.clock.markNow()
            throw e
        }
    }

    override suspend fun takeUp(worker: WorkerId, queue: QueueName, lease: Long): ClaimedJob? {
        val claim = ++lastClaim
        return try {
            pooled("take up $lease") { server.takeUp(worker, queue, lease).also { taken[claim] = listOfNotNull(it) } }
        } catch (e: SQLException) {
            doubtful[claim] = world.clock.markNow()
            throw e
        }
    }

    override suspend fun returnHandedOver(worker: WorkerId): Unit =
        pooled("return what was handed over") { server.returnHandedOver(worker) }

    override suspend fun look(worker: WorkerId, queues: Set<QueueName>, within: Duration): Set<QueueName> =
        pooled("look", isWrite = false) { server.look(worker, queues, within) }

    override suspend fun announce(claim: ClaimedJob): Boolean = pooled("announce ${claim.id}") {
        server.announce(claim)
    }

    override suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse {
        val pulse = ownConnection("beat") { server.beat(worker, running) }
        if (doubtful.isNotEmpty()) {
            val mine = doubtful.keys.toList()
            ownConnection("give back") { giveBack(worker, mine) }
            doubtful.values.removeIf { it.elapsedNow() > timeouts.pool + timeouts.statement }
        }
        return pulse
    }

    private suspend fun giveBack(worker: WorkerId, claims: List<Long>) {
        val lost = claims.flatMap { taken.remove(it).orEmpty() }
        if (lost.isNotEmpty()) server.putBack(worker, lost.map { Completion.Released(it, Duration.ZERO) })
    }

    override suspend fun promote(queue: QueueName, limit: Int): Promotion =
        pooled("promote $queue") { server.promote(queue, limit) }

    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
        pooled("end ${jobs.size}") { server.end(worker, jobs) }

    override suspend fun putBack(worker: WorkerId, jobs: List<Completion.Return>): Set<JobId> =
        pooled("put back ${jobs.size}") { server.putBack(worker, jobs) }
            .also {
                jobs.mapTo(mutableSetOf()) { it.claim.queue }.forEach { ring(it) }
                hints.send(jobs.filterIsInstance<Completion.Released>().mapTo(mutableSetOf()) { it.claim.queue })
            }

    override suspend fun completedAnyway(worker: WorkerId, claims: List<ClaimedJob>): Set<JobId> =
        pooled("look after ${claims.size}", isWrite = false) { server.completedAnyway(worker, claims) }

    override suspend fun leave(worker: WorkerId): Unit = pooled("leave") { server.leave(worker) }

    override suspend fun takeTurn(task: String, every: Duration): Boolean =
        pooled("turn to $task") { server.takeTurn(task, every) }

    override suspend fun rescue(silentFor: Duration?, limit: Int, by: WorkerId?): List<Rescued> =
        pooled("rescue") { server.rescue(silentFor, limit, by) }
            .also { rescued -> hints.send(rescued.mapTo(mutableSetOf()) { it.queue }) }

    override suspend fun prune(retentions: Set<Retention>): Int = pooled("prune") { server.prune(retentions) }

    override suspend fun find(id: JobId): JobSnapshot? = pooled("find", isWrite = false) { server.find(id) }

    override suspend fun cancel(id: JobId): Cancellation = pooled("cancel $id") { server.cancel(id) }

    override suspend fun stop(worker: WorkerId): Boolean = pooled("stop $worker") { server.stop(worker) }

    override fun wakeups(worker: WorkerId, queues: Set<QueueName>): Wakeups = object : Wakeups {
        private val offers = server.wakeups(worker, queues)

        override suspend fun listen(ears: Wakeups.Ears) {
            ring = ears::ring
            hints.listen(link.name, ring)
            try {
                offers.listen(
                    object : Wakeups.Ears {
                        override fun ring(queue: QueueName?) = Unit

                        override fun handedOver(queue: QueueName, lease: Long) =
                            hints.deliver { ears.handedOver(queue, lease) }
                    },
                )
            } finally {
                hints.hangUp(link.name)
            }
        }

        override suspend fun quiet(queue: QueueName): Unit = ownConnection("quiet $queue") {
            offers.quiet(queue)
            hints.quiet(link.name, queue)
        }

        override suspend fun offer(queue: QueueName): Unit = ownConnection("offer $queue") { offers.offer(queue) }

        override suspend fun lookForHandedOver(): Unit =
            ownConnection("look for handed over") { offers.lookForHandedOver() }

        override suspend fun busy(queue: QueueName): Unit = ownConnection("busy $queue") {
            hints.busy(link.name, queue)
            offers.busy(queue)
        }
    }

    private companion object {
        const val CONNECTIONS = 4
    }
}
