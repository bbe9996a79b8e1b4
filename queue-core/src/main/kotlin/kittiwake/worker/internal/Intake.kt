package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.store.JobStore
import kittiwake.store.Rescued
import kittiwake.upkeep.Upkeep
import kittiwake.worker.WorkerConfig
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlin.random.Random
import kotlin.time.TimeMark
import kotlin.time.TimeSource

/**
 * What brings a worker its jobs: wake-ups and polls, claims and hand-overs, and upkeep. All of it ends at once when the
 * caller cancels. For what it has brought it [open]s a place, and [giveBack] returns what does not get one.
 */
@OptIn(KittiwakeSpi::class)
internal class Intake(
    private val worker: WorkerId,
    private val config: WorkerConfig,
    private val store: JobStore,
    private val retentions: Set<Retention>,
    private val slots: Map<QueueName, Slots>,
    private val bells: Bells,
    private val time: TimeSource.WithComparableMarks,
    private val random: Random,
    private val healthySince: () -> TimeMark,
    private val onRescued: (Rescued) -> Unit,
    private val open: (QueueName) -> Unit,
    private val giveBack: (List<ClaimedJob>) -> Unit,
) {
    suspend fun run(): Unit = coroutineScope {
        val wakeups = store.wakeups(worker, slots.keys)
        val poll = Poll(worker, store, wakeups, bells, config.pollEvery, random)
        val upkeep =
            Upkeep(worker, store, config.lease, config.rescueEvery, retentions, random, healthySince, onRescued)
        val helping = Mutex()
        launch { wakeups.listen(bells) }
        launch { poll.run() }
        launch { poll.runForHandedOver() }
        launch { upkeep.run() }
        for (queue in config.queues) {
            val name = queue.name
            val slots = slots.getValue(name)
            val claims =
                ClaimLoop(queue, worker, store, slots, wakeups, bells, time, random, helping) { open(name) }
            val handOvers =
                HandOvers(name, worker, store, slots, wakeups, bells, random, { giveBack(listOf(it)) }) { open(name) }
            launch { claims.run() }
            launch { handOvers.run() }
            // Of two claims at once either may come first: a queue that runs one job at a time keeps its order.
            if (queue.concurrency > 1) launch { claims.help() }
            launch {
                while (true) giveBack(slots.awaitOverdue())
            }
        }
    }
}
