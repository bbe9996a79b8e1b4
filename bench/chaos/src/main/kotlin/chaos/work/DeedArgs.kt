package chaos.work

import kotlinx.serialization.Serializable

/** What a job of a run is told; each deed looks at what concerns it. */
@Serializable
data class DeedArgs(
    /** The business row that the job belongs to. */
    val business: Long,
    /** How long it works. */
    val millis: Long = 0,
    /** So many attempts fail first. */
    val failures: Int = 0,
    /** How many generations of children follow. */
    val depth: Int = 0,
    val from: Int = 0,
    val to: Int = 0,
    /** How an abusive handler breaks its transaction. */
    val abuse: Abuse = Abuse.COMMITS,
    /** Of a keyed job: its key. */
    val key: String? = null,
)

/** Ways in which a handler can break the transaction that it was given. */
enum class Abuse { COMMITS, ROLLS_BACK, CATCHES_NESTED_ERROR }
