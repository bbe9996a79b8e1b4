package kittiwake.upkeep

import kittiwake.KittiwakeSpi
import kittiwake.internal.periodically
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.store.JobStore
import kittiwake.store.Rescued
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import org.slf4j.LoggerFactory
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.hours
import kotlin.time.TimeMark

/**
 * What keeps the tables well, done about as often as it says by somebody: workers take turns, nobody leads.
 *
 * Every task is safe when two do it. (Making due jobs ready is not among them: each queue's claim loop does that to the
 * millisecond.)
 */
@OptIn(KittiwakeSpi::class)
internal class Upkeep(
    private val worker: WorkerId,
    private val store: JobStore,
    private val lease: Duration,
    private val rescueEvery: Duration,
    private val retentions: Set<Retention>,
    private val random: Random,
    private val healthySince: () -> TimeMark,
    private val onRescued: (Rescued) -> Unit,
) {
    suspend fun run(): Unit = coroutineScope {
        launch {
            periodically("Rescuing jobs", rescueEvery, log, random) {
                if (mayRescue() && store.takeTurn("rescue", rescueEvery * 0.8)) rescue()
            }
        }
        launch {
            periodically("Pruning the archive", PRUNE_EVERY, log, random) {
                if (store.takeTurn("prune", PRUNE_EVERY * 0.8)) prune()
            }
        }
    }

    /**
     * Only after a lease of good contact: in an outage the others' silence is the database's, and they get one lease to
     * speak first. Until then it takes no turn, either: somebody else could use it.
     */
    private fun mayRescue(): Boolean = healthySince().elapsedNow() >= lease

    private suspend fun rescue() {
        do {
            val rescued = store.rescue(silentFor = null, RESCUE_BATCH, by = worker)
            rescued.forEach(onRescued)
            if (rescued.isNotEmpty()) log.info("Rescued {} jobs of silent workers", rescued.size)
        } while (rescued.isNotEmpty())
    }

    private suspend fun prune() {
        val forgotten = store.prune(retentions)
        if (forgotten > 0) log.info("Forgot {} ended jobs or days of them", forgotten)
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.upkeep")!!
        const val RESCUE_BATCH = 100
        val PRUNE_EVERY = 1.hours
    }
}
