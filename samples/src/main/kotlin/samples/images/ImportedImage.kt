package samples.images

import kittiwake.enqueue.JobRef
import kittiwake.exposed.enqueueAll
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.insertAndGetId
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.nio.file.Path
import kotlin.io.path.absolutePathString

/** A picture that is now in the database, and the jobs that make its thumbnails. */
class ImportedImage(val id: Long, val path: Path, val jobs: List<JobRef<Unit>>)

/**
 * Imports one picture: its row and its jobs are one transaction, so there is never a row without jobs, nor a job
 * without its row. The first [rehearsedFailures] attempts at its smallest thumbnail will fail.
 */
fun importImage(db: Database, file: Path, rehearsedFailures: Int = 0): ImportedImage {
    val size = sizeOf(file)
    val widths = WIDTHS.filter { size == null || it <= size.width }.ifEmpty { listOf(WIDTHS.last()) }
    return transaction(db) {
        val id = Images.insertAndGetId {
            it[path] = file.absolutePathString()
            it[width] = size?.width
            it[height] = size?.height
        }
        val jobs = resize.enqueueAll(widths.map { ResizeArgs(id.value, it) }) { args ->
            if (args.width == widths.last()) metadata[REHEARSED_FAILURES] = rehearsedFailures.toString()
        }
        ImportedImage(id.value, file, jobs)
    }
}
