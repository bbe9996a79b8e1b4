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
    val handler: Handler = Handler.NOOP,
    /** How many queues it works: "noop", "noop-1", "noop-2" and so on. */
    val queues: Int = 1,
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

    /** Say what is alive on your heap, after so many handlers were started beside the worker, and wait. */
    @Serializable
    class Weigh(val handlers: Int = 0) : Order

    /** Go on until so many are completed, and stop. */
    @Serializable
    class Finish(val jobs: Int) : Order
}

/** One line on its output, marked so that it is told from what others print. */
@Serializable
internal sealed interface Reply {
    @Serializable
    data object Ready : Reply

    /** [distinct] jobs were completed, and so many completions were told of; claims took so long. */
    @Serializable
    class Drained(val cost: Cost, val completions: Int, val distinct: Int, val claimMillis: List<Double>) : Reply

    @Serializable
    data object Attending : Reply

    /**
     * So many jobs have started and are completed, the last of them just then; what this process has used of the
     * processor since it started; and how long claims took since the last look.
     */
    @Serializable
    class Seen(val started: Int, val completed: Int, val lastAt: Long, val cpu: Long, val claimMillis: List<Double>) :
        Reply

    @Serializable
    class Weighed(val heap: LiveHeap) : Reply

    /** By the number in the args: the clock that all processes of a machine share, and the time of day in µs. */
    @Serializable
    class Attended(val startedAt: List<Long>, val startedAtMicros: List<Long>) : Reply
}

internal val LINE = Json
internal const val MARK = "@@"
