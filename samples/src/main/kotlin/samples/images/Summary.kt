package samples.images

import kittiwake.job.Ending
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kotlin.io.path.exists
import kotlin.time.Duration

/** A thumbnail as it was recorded. */
class Thumbnail(val width: Int, val height: Int, val file: String)

/** What became of one picture. */
class ImageResult(val image: ImportedImage, val jobs: List<JobSnapshot>, val thumbnails: List<Thumbnail>)

/** What became of everything. */
class Summary(
    val out: OutputFolder,
    val images: List<ImageResult>,
    /** The picture that is broken. */
    val corrupt: ImageResult,
    /** The job whose first two attempts fail. */
    val flaky: JobSnapshot,
    /** The jobs that the killed worker had begun. */
    val lost: List<JobSnapshot>,
    val jobs: Overview,
    val took: Duration,
) {
    /** The lost jobs that another worker has finished. */
    val rescued: List<JobSnapshot> get() = lost.filter { it.isCompleted && it.attempts > 1 }

    /** What is not as it should be, in words; nothing when the story went as it was written. */
    fun missing(): List<String> = buildList {
        for (result in images) {
            for (job in result.jobs.filterNot { it.isCompleted || it.isCorrupt }) add("$job, of ${result.image.path}")
            val completed = result.jobs.count { it.isCompleted }
            if (result.thumbnails.size != completed) {
                add("${result.image.path} has ${result.thumbnails.size} thumbnails recorded, but $completed were made")
            }
            for (thumbnail in result.thumbnails.filterNot { out.thumbnails.resolve(it.file).exists() }) {
                add("the thumbnail ${thumbnail.file} is recorded, but is no file")
            }
        }
        if (jobs.unfinished > 0) add("${jobs.unfinished} jobs have not ended")
        if (!corrupt.jobs.all { it.isCorrupt }) add("the corrupt picture's jobs were not discarded: ${corrupt.jobs}")
        if (!flaky.isCompleted || flaky.attempts != 3) {
            add("the job that fails twice was not done at its third attempt: ${flaky.attempts}, $flaky")
        }
        if (lost.isEmpty()) add("the killed worker had nothing to do: give it more pictures, or larger ones")
        for (job in lost - rescued.toSet()) add("a job of the killed worker was not run again: $job")
    }
}

val JobSnapshot.isCompleted: Boolean get() = (state as? JobState.Ended)?.ending == Ending.COMPLETED

/** Given up because its picture is broken. */
val JobSnapshot.isCorrupt: Boolean
    get() = (state as? JobState.Ended)?.ending == Ending.DISCARDED && complaint != null

/** What was wrong with its picture: the message of the failure, which is kept with the job, without its trace. */
val JobSnapshot.complaint: String?
    get() = failures
        .asSequence()
        .flatMap { it.error.lineSequence() }
        .firstOrNull { it.startsWith(CorruptImageException::class.java.name) }
        ?.substringAfter(": ")
