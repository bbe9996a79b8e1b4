package chaos.plan

import kotlinx.serialization.Serializable
import kotlin.time.Duration
import kotlin.time.Instant

/** One thing to do to somebody at some time after the start of the chaos. */
@Serializable
data class Fault(
    val kind: FaultKind,
    val after: Duration,
    val lasts: Duration,
    /** A process by its name, or null when the whole server is meant. */
    val target: String? = null,
    /** What the kind needs to know besides: an SQLSTATE, a table, a probability. */
    val detail: String? = null,
)

/** A fault as it was: when it began and was taken back, and what was seen of it. */
@Serializable
data class Injected(
    val fault: Fault,
    val from: Instant,
    val until: Instant,
    /** How often it demonstrably struck: backends ended, frames swallowed, connections cut, errors raised. */
    val strikes: Int,
    /** Why it could not be done on this machine, or what was seen. */
    val note: String? = null,
)
