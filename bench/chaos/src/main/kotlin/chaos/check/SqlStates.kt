package chaos.check

import chaos.plan.FaultKind

/** Whether a fault of [kind], with the SQLSTATEs that its [detail] may name, can show itself as [state]. */
internal fun explains(kind: FaultKind, detail: String?, state: String): Boolean =
    prefixes(kind).any { state.startsWith(it) } || detail?.contains(state) == true

/** What only a defect shows itself as: of the server, of a constraint, of a statement, of a value. */
internal fun isNever(state: String): Boolean = listOf("XX", "23", "42", "22").any { state.startsWith(it) }

/** An abusive handler divides by zero, and catches it. */
internal const val ABUSE: String = "22012"

/**
 * How the server refuses a handler's transaction whose claim was lost, with this text. The driver names it as the cause of
 * what befalls the transaction after it: a rollback may meet the end of its connection.
 */
internal const val REFUSED: String = "22P02"
internal const val REFUSAL: String = "kittiwake: no such claim in the transaction of"

/** The connection is gone, or its transaction is. */
private val GONE = setOf("08", "57P01", "57P02", "57P03", "57P05", "25P02", "25P03")

/** Whoever is held up, or holds others up, runs into timeouts of statements and locks. */
private val HELD_UP = setOf("57014", "55P03")

private fun prefixes(kind: FaultKind): Set<String> = when (kind) {
    FaultKind.KILL -> HELD_UP
    FaultKind.PAUSE -> GONE + HELD_UP
    FaultKind.RESTART -> GONE
    FaultKind.TERMINATE_BACKEND -> GONE
    FaultKind.CRASH_SERVER -> GONE + "53300"
    FaultKind.BLACKHOLE, FaultKind.BLACKHOLE_IN, FaultKind.BLACKHOLE_OUT -> GONE + HELD_UP
    FaultKind.RESET -> GONE
    FaultKind.DELAY -> GONE + HELD_UP
    FaultKind.CUT_BEFORE_COMMIT, FaultKind.CUT_AFTER_COMMIT -> GONE
    FaultKind.SQL_ERROR -> GONE + setOf("40001", "40P01", "53", "55P03", "57014", "25006")
    FaultKind.LOCK_TABLE -> HELD_UP + "25P02"
    FaultKind.HOLD_SNAPSHOT -> emptySet()
    FaultKind.CONNECTION_LIMIT -> GONE + "53300"
    FaultKind.READ_ONLY -> setOf("25006", "25P02")
    FaultKind.CLOCK_OFFSET -> emptySet()
    FaultKind.NO_NOTIFICATIONS -> GONE
    FaultKind.DISK_FULL -> GONE + setOf("53100", "58")
    FaultKind.STATEMENT_TIMEOUT -> HELD_UP + "25P02"
    FaultKind.CPU_HOG -> GONE + HELD_UP
}
