package bench.worker

import bench.Cost
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json

/** What the worker process is told at its start. Null: whatever the library's default is. */
@Serializable
internal class WorkerSettings(
    val jdbcUrl: String,
    val archive: Boolean,
    val concurrency: Int? = null,
    val prefetch: Int? = null,
    val pollEveryMillis: Long? = null,
)

/** One line on the worker process's input. */
@Serializable
internal sealed interface Order {
    /** Run until so many jobs are completed, and measure that. A warm-up has settings of its own. */
    @Serializable
    class Drain(val jobs: Int, val isWarmUp: Boolean = false) : Order

    /** Run, and note when each job starts, of at most so many. */
    @Serializable
    class Attend(val atMost: Int) : Order

    /** Say how far you have got. */
    @Serializable
    data object Look : Order

    /** Go on until so many are completed, and stop. */
    @Serializable
    class Finish(val jobs: Int) : Order
}

/** One line on its output, marked so that it is told from what others print. */
@Serializable
internal sealed interface Reply {
    @Serializable
    data object Ready : Reply

    /** [distinct] jobs were completed, and so many completions were told of. */
    @Serializable
    class Drained(val cost: Cost, val completions: Int, val distinct: Int) : Reply

    @Serializable
    data object Attending : Reply

    /** So many jobs are completed, and what this process has used of the processor since it started. */
    @Serializable
    class Seen(val completed: Int, val cpu: Long) : Reply

    /** By the number in the args: the clock that all processes of a machine share, and the time of day in µs. */
    @Serializable
    class Attended(val startedAt: List<Long>, val startedAtMicros: List<Long>) : Reply
}

internal val LINE = Json
internal const val MARK = "@@"
