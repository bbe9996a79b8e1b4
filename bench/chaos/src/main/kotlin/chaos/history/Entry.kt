package chaos.history

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlin.time.Instant

/** One line in the journal of one process: written at once, so that it survives the process. */
@Serializable
sealed interface Entry {
    val at: Instant

    /** A handler begins. */
    @Serializable
    @SerialName("began")
    data class Began(
        override val at: Instant,
        val job: Long,
        val name: String,
        val attempt: Int,
        val lease: Long,
        val worker: String,
    ) : Entry

    /** A handler is over: it returned, or [thrown] is the class of what it threw. */
    @Serializable
    @SerialName("over")
    data class Over(override val at: Instant, val job: Long, val lease: Long, val thrown: String? = null) : Entry

    /** What the library told of a job: the simple name of the event. */
    @Serializable
    @SerialName("told")
    data class Told(override val at: Instant, val job: Long, val attempt: Int, val event: String) : Entry

    /** A producer is about to commit [jobs] jobs together with the business row [business]. */
    @Serializable
    @SerialName("offered")
    data class Offered(
        override val at: Instant,
        val business: Long,
        val jobs: Int,
        val name: String,
        val key: String? = null,
    ) : Entry

    /** How that ended; [ids] are the jobs as the enqueue returned them, [isNew] whether each was new. */
    @Serializable
    @SerialName("settled")
    data class Settled(
        override val at: Instant,
        val business: Long,
        val outcome: Outcome,
        val ids: List<Long> = emptyList(),
        val isNew: List<Boolean> = emptyList(),
        val sqlState: String? = null,
    ) : Entry

    /** Somebody called a job off, and this was the answer. */
    @Serializable
    @SerialName("called-off")
    data class CalledOff(override val at: Instant, val job: Long, val answer: String) : Entry

    /** A warning or an error in the log, with the SQLSTATEs of what was thrown. */
    @Serializable
    @SerialName("logged")
    data class Logged(
        override val at: Instant,
        val level: String,
        val logger: String,
        val message: String,
        val thrown: String? = null,
        val sqlStates: List<String> = emptyList(),
    ) : Entry

    /** What the process holds after a collection. */
    @Serializable
    @SerialName("weighed")
    data class Weighed(override val at: Instant, val heapBytes: Long, val threads: Int) : Entry

    /** The process is up, or about to end by itself. */
    @Serializable
    @SerialName("process")
    data class Process(override val at: Instant, val pid: Long, val isEnd: Boolean = false) : Entry
}

/** What a producer knows of its commit. */
enum class Outcome { COMMITTED, ROLLED_BACK, UNKNOWN }
