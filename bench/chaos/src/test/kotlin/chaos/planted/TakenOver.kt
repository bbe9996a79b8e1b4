@file:OptIn(KittiwakeSpi::class)

package chaos.planted

import chaos.plan.FaultKind
import chaos.work.Deed
import chaos.work.DeedTypes
import chaos.work.effect
import chaos.work.noting
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.exposed.handleInTransaction

/** The handler's transaction completes the job, whoever has it now. */
val skipTheFence = PlantedBug("commits a handler's transaction without the fence", check = "K2") { isPlanted ->
    val withoutFence =
        listOf(
            Mutation("complete job", "and exists (", "and true or false and exists ("),
            Mutation("complete job", "when exists (select from gone)", "when true"),
        )
    takenOver(Deed.BANK, bugOfHandlers = withoutFence.takeIf { isPlanted })
}

/** A completion is written for the job, not for the claim. */
val completeByIdOnly = PlantedBug("completes a job by its id only", check = "K4") { isPlanted ->
    takenOver(Deed.EXTERNAL, bugOfEngine = listOf(byIdOnly).takeIf { isPlanted })
}

private val byIdOnly = Mutation("end jobs", "where (lease, job_id) in (select id, job_id from held)", "where true")

/**
 * A worker falls silent while its handler runs, and another one takes the job over. The first handler ends while the
 * second runs; only when it was told what became of that, the second ends, too.
 */
private suspend fun Miniature.takenOver(
    deed: Deed,
    bugOfEngine: List<Mutation>? = null,
    bugOfHandlers: List<Mutation>? = null,
) {
    val firstBegan = Moment()
    val secondBegan = Moment()
    val firstWasTold = Moment()
    val engine = MutatingDataSource(plain, bugOfEngine.orEmpty())

    fun worker(name: String, engine: MutatingDataSource, began: Moment, ends: Moment) {
        worker(name, engine, MutatingDataSource(plain, bugOfHandlers.orEmpty())) { db, journal ->
            handleInTransaction(DeedTypes.of(Deed.BANK), db) {
                journal.noting(this) {
                    effect("moved")
                    began.reach()
                    ends.awaitBlocking()
                }
            }
            handle(DeedTypes.of(Deed.EXTERNAL)) {
                journal.noting(this) {
                    began.reach()
                    ends.await()
                }
            }
            if (name == SILENT) observe { if (it !is JobEvent.Started) firstWasTold.reach() }
        }
    }

    worker(SILENT, engine, began = firstBegan, ends = secondBegan)
    MiniatureProducer(this, plain).offer(deed)
    firstBegan.await()
    engine.refuse("beat")
    struck(FaultKind.PAUSE, SILENT)
    worker("worker-2", MutatingDataSource(plain, bugOfEngine.orEmpty()), began = secondBegan, ends = firstWasTold)
    firstWasTold.await()
}

private const val SILENT = "worker-1"
