@file:OptIn(KittiwakeSpi::class)

package chaos.planted

import chaos.work.Deed
import chaos.work.DeedArgs
import chaos.work.DeedTypes
import chaos.work.Deeds
import chaos.work.noting
import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.Completion
import kittiwake.store.JobStore
import kittiwake.store.Pulse
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.delay
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** A rescuer does not ask how long the worker has been silent. */
val rescueByIdOnly = PlantedBug("rescues from workers that are not silent", check = "K3") { isPlanted ->
    val hasty = Mutation("rescue jobs", "greatest(lease, (select lease from rescuer))", "interval '0'")
    for (name in listOf("worker-1", "worker-2")) {
        worker(name, MutatingDataSource(plain, listOfNotNull(hasty.takeIf { isPlanted }))) { db, journal ->
            Deeds(db, journal).bind(this)
        }
    }
    MiniatureProducer(this, plain).offer(Deed.SLOW, List(4) { DeedArgs(business = 0, millis = 2_500) })
}

/** Now and then a completion is answered as written, and is not. */
val loseCompletions = PlantedBug("loses one in 500 completions", check = "K1") { isPlanted ->
    worker("worker-1", store = { if (isPlanted) Forgetful(it) else it }) { db, journal ->
        Deeds(db, journal).bind(this)
    }
    MiniatureProducer(this, plain).offer(Deed.EXTERNAL, List(600) { DeedArgs(business = 0) })
}

/** A worker that is told to stop gives its jobs back at once, instead of when their handlers have ended. */
val releaseWhileRunning = PlantedBug("releases jobs while their handlers run", check = "K11") { isPlanted ->
    val stopping = CompletableDeferred<WorkerId>()
    val secondBegan = Moment()

    fun worker(name: String, store: (JobStore) -> JobStore = { it }) = worker(name, store = store) { _, journal ->
        handle(DeedTypes.of(Deed.EXTERNAL)) {
            journal.noting(this) {
                if (name == "worker-1") {
                    stopping.complete(claim.worker)
                    secondBegan.await(3.seconds)
                    delay(AFTER_ANOTHER_BEGAN)
                } else {
                    secondBegan.reach()
                }
            }
        }
    }

    val first = worker("worker-1") { if (isPlanted) Impatient(it) else it }
    val producer = MiniatureProducer(this, plain)
    producer.offer(Deed.EXTERNAL)
    val worker = stopping.await()
    worker("worker-2")
    producer.kittiwake.stop(worker)
    first.await()
}

private class Forgetful(private val real: JobStore) : JobStore by real {
    private val ends = AtomicInteger()

    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
        real.end(worker, jobs.filterNot { ends.incrementAndGet() % ONE_IN == 0 })

    private companion object {
        const val ONE_IN = 500
    }
}

private class Impatient(private val real: JobStore) : JobStore by real {
    private val claims = ConcurrentHashMap<JobId, ClaimedJob>()

    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> =
        real.claim(worker, queue, limit).onEach { claims[it.id] = it }

    override suspend fun takeUp(worker: WorkerId, queue: QueueName, lease: Long): ClaimedJob? =
        real.takeUp(worker, queue, lease)?.also { claims[it.id] = it }

    override suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse {
        val pulse = real.beat(worker, running)
        val released = if (pulse.stopRequested) running.mapNotNull(claims::remove) else emptyList()
        if (released.isNotEmpty()) real.putBack(worker, released.map { Completion.Released(it, Duration.ZERO) })
        return pulse
    }
}

/** Clocks of one machine are read before what they stand for is written down. */
private val AFTER_ANOTHER_BEGAN = 50.milliseconds
