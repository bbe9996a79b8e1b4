package simulation

import chaos.history.Business
import chaos.history.Entry
import chaos.history.Outcome
import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import java.sql.SQLException
import kotlin.time.Duration.Companion.milliseconds

/** Who enqueues jobs: each offer is a transaction with a row of the business, and may end in doubt. */
@OptIn(KittiwakeSpi::class)
class Producer(private val cluster: Cluster) {
    private val world = cluster.world
    private val dice = world.dice(NAME)
    private val link = Link(NAME)
    private val entries = cluster.journals.getOrPut(NAME) { mutableListOf() }
    private var lastBusiness = 0L

    private var work: Job? = null

    val businesses = mutableListOf<Business>()
    val isDone: Boolean get() = work?.isCompleted == true

    fun start() {
        var left = cluster.scenario.jobs
        val pause = (cluster.scenario.chaos / left).inWholeMilliseconds
        work = world.outside.launch {
            while (left > 0) {
                val size = minOf(left, SIZES.random(dice))
                val job = aJob(dice, cluster.scenario.lease)
                launch { offer(List(size) { job }) }
                left -= size
                delay(dice.nextLong(2 * pause * size + 1))
            }
        }
    }

    private suspend fun offer(jobs: List<NewJob>) {
        val business = ++lastBusiness
        val first = jobs.first()
        note(Entry.Offered(world.now, business, jobs.size, first.name.value, first.uniqueKey))
        try {
            val inserted =
                cluster.network.call(link, "insert ${jobs.size} ${first.name}", cluster.scenario.timeouts.pool, true) {
                    businesses += Business(business, jobs.size)
                    cluster.server.insert(jobs)
                }
            cluster.hints.send(setOf(first.queue))
            val ids = inserted.map { it.id.value }
            note(Entry.Settled(world.now, business, Outcome.COMMITTED, ids, inserted.map { it.isNew }))
        } catch (e: SQLException) {
            note(Entry.Settled(world.now, business, Outcome.UNKNOWN, sqlState = e.sqlState))
        }
    }

    private fun note(entry: Entry) {
        entries += entry
        world.tell(NAME) { "$entry" }
    }

    private companion object {
        const val NAME = "producer-1"
        val SIZES = listOf(1, 1, 1, 2, 5, 10)
    }
}

/** Who calls jobs off, and tells workers from afar to stop. */
@OptIn(KittiwakeSpi::class)
class Operator(private val cluster: Cluster) {
    private val world = cluster.world
    private val dice = world.dice(NAME)
    private val link = Link(NAME)
    private val entries = cluster.journals.getOrPut(NAME) { mutableListOf() }

    private var work: Job? = null

    val isDone: Boolean get() = work?.isCompleted == true

    fun start() {
        val everyMillis = cluster.scenario.chaos.inWholeMilliseconds / dice.nextLong(2, 12)
        work = world.outside.launch {
            while (world.elapsed < cluster.scenario.chaos) {
                delay(dice.nextLong(1, 2 * everyMillis))
                try {
                    if (dice.nextInt(6) == 0) stopSomebody() else callOff()
                } catch (e: SQLException) {
                    world.tell(NAME) { "$e" }
                }
            }
        }
    }

    private suspend fun callOff() {
        val id = cluster.server.ids.randomOrNull(dice) ?: return
        val answer =
            try {
                call("cancel $id") { cluster.server.cancel(id) }::class.simpleName!!
            } catch (e: SQLException) {
                "${e.message}"
            }
        val entry = Entry.CalledOff(world.now, id.value, answer)
        entries += entry
        world.tell(NAME) { "$entry" }
    }

    private suspend fun stopSomebody() {
        val worker = cluster.server.living.randomOrNull(dice) ?: return
        call("stop $worker") { cluster.server.stop(worker) }
    }

    private suspend fun <T> call(verb: String, work: suspend () -> T): T =
        cluster.network.call(link, verb, 10_000.milliseconds, true, work)

    private companion object {
        const val NAME = "operator-1"
    }
}
