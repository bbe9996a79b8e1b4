package samples.images

import kittiwake.job.except
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.job.limit
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes

/** The queue that both kinds of job wait in. */
const val IMAGES = "images"

/** How wide the thumbnails are. No picture is enlarged. */
val WIDTHS = listOf(1600, 800, 320, 96)

@Serializable
data class ResizeArgs(val imageId: Long, val width: Int)

/**
 * Makes one thumbnail file. A file is not part of a transaction, so this job may do its work twice: it replaces the
 * file as a whole, and the second time changes nothing.
 */
val resize = job<ResizeArgs>("images.resize") {
    queue = IMAGES
    retry = fixed(300.milliseconds).except<CorruptImageException>().limit(5)
    timeout = 1.minutes
}

@Serializable
data class RecordArgs(val imageId: Long, val width: Int, val height: Int, val file: String)

/** Writes down that a thumbnail exists. It is only a row, so the row and the end of the job are one commit. */
val record = job<RecordArgs>("images.record") {
    queue = IMAGES
    priority = 10
    unique { "${it.imageId}/${it.width}" }
}
