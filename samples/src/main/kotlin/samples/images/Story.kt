package samples.images

import kittiwake.job.JobId
import kotlinx.coroutines.delay
import java.nio.file.Path
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.TimeSource

/** What happens, and in which order. Worker ana does not survive it; her jobs do. */
class Story(
    private val database: ImageDatabase,
    private val out: OutputFolder,
    private val ana: WorkerProcess,
    ben: WorkerProcess,
) {
    private val kittiwake = database.kittiwake
    private val alive = mutableListOf(ana, ben)
    private val monitor = Monitor(database.db)

    suspend fun tell(pictures: List<Path>, corrupt: Path): Summary {
        check(until { monitor.workers() == 2 }) { "The workers did not come up" }
        val started = TimeSource.Monotonic.markNow()
        return withProgress(monitor) {
            val broken = importImage(database.db, corrupt)
            val flaky = importImage(database.db, pictures.first(), rehearsedFailures = 2)
            val half = (pictures.size + 1) / 2
            val early = pictures.subList(1, half).map { importImage(database.db, it) }
            kittiwake.awaitEnd(flaky.jobs.last().id)

            val late = pictures.drop(half).map { importImage(database.db, it) }
            val lost = killAtWork(ana)
            until { monitor.now().unfinished == 0 }

            Summary(
                out = out,
                images = (listOf(flaky) + early + late).map { result(it) },
                corrupt = result(broken),
                flaky = checkNotNull(kittiwake.find(flaky.jobs.last().id)),
                lost = lost.mapNotNull { kittiwake.find(it) },
                jobs = monitor.now(),
                took = started.elapsedNow(),
            )
        }
    }

    /** Kills [worker] when it is at work, and returns the jobs that it leaves behind. */
    private suspend fun killAtWork(worker: WorkerProcess): List<JobId> {
        until { monitor.runningIn(worker).isNotEmpty() || monitor.now().unfinished == 0 }
        worker.kill()
        alive -= worker
        return monitor.runningIn(worker)
    }

    private suspend fun result(image: ImportedImage) =
        ImageResult(image, image.jobs.mapNotNull { kittiwake.find(it.id) }, monitor.thumbnails(image))

    /** Waits for [fact]; false when it is none after a time that is long enough for anything here. */
    private suspend fun until(fact: () -> Boolean): Boolean {
        val started = TimeSource.Monotonic.markNow()
        while (!fact()) {
            if (started.elapsedNow() > 2.minutes) return false
            alive.forEach { it.checkAlive() }
            delay(20.milliseconds)
        }
        return true
    }
}
