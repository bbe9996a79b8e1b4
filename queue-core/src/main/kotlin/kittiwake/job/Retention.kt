package kittiwake.job

import kotlin.time.Duration
import kotlin.time.Duration.Companion.days

/**
 * How long an ended job stays in the archive: [completed] ones, and those discarded or cancelled ([failed]).
 *
 * Zero keeps nothing; [Duration.INFINITE] keeps for ever. Kept at least that long, up to a day longer: the archive
 * forgets by the day.
 */
public class Retention(public val completed: Duration, public val failed: Duration) {
    init {
        for (kept in listOf(completed, failed)) {
            require(!kept.isNegative()) {
                "A retention must be zero or longer, but was $kept"
            }
        }
    }

    override fun equals(other: Any?): Boolean =
        other is Retention && other.completed == completed && other.failed == failed

    override fun hashCode(): Int = 31 * completed.hashCode() + failed.hashCode()

    override fun toString(): String = "completed $completed, failed $failed"

    public companion object {
        /** Completed jobs for a week, failed ones for a month. */
        public val Default: Retention = Retention(completed = 7.days, failed = 30.days)
    }
}
