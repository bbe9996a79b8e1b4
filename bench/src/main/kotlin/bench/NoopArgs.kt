package bench

import kittiwake.job.JobType
import kittiwake.job.job
import kotlinx.serialization.Serializable
import kotlin.time.Duration

/** Args of about a hundred bytes: a number, and some text such as real args have. */
@Serializable
internal class NoopArgs(val number: Int, val text: String = ARGS_TEXT)

/** Such as real args have. */
internal const val ARGS_TEXT = "an address, a file name or two, an id of something that lies elsewhere"

/** The job that does nothing, so that everything measured is the queue's. */
internal fun noop(archive: Boolean): JobType<NoopArgs, Unit> = job<NoopArgs>("noop") {
    if (!archive) retain(completed = Duration.ZERO)
}
