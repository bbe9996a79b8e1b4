package chaos.check

import chaos.history.History
import kotlinx.serialization.Serializable

/** One thing that must hold of every run, whatever was done to it. */
interface Check {
    /** K1 to K16. */
    val id: String

    /** The guarantees that it would prove false: G1 to G22. */
    val guards: List<String>

    /** What must hold, in a sentence. */
    val claim: String

    fun examine(history: History): Finding
}

/** What a check found. Not being able to tell is not being right: it fails a run, too. */
class Finding(
    val violations: List<Violation> = emptyList(),
    val inconclusive: List<String> = emptyList(),
    /** Figures worth a line in the report. */
    val figures: Map<String, String> = emptyMap(),
    /** What was not judged and why that is in order: a run too short for it, a feature still to come. */
    val notes: List<String> = emptyList(),
)

/** A broken promise, with the job it was broken to. */
@Serializable
data class Violation(val check: String, val what: String, val job: Long? = null)

/** The promise of this check was broken: [what] says how, in a sentence. */
internal fun Check.broken(what: String, job: Long? = null): Violation = Violation(id, what, job)
