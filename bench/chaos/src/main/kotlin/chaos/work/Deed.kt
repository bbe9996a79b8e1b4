package chaos.work

import chaos.history.Change.Kind
import chaos.history.Change.Kind.CANCELLED
import chaos.history.Change.Kind.COMPLETED
import chaos.history.Change.Kind.DISCARDED

/** The kinds of jobs of a run, and how each may end when all is over. Whoever is called off may always be cancelled. */
enum class Deed(
    /** What the job is called. */
    val title: String,
    /** Whether its effects are rows that its handler writes in the transaction that completes it. */
    val isTransactional: Boolean = false,
    val endings: Set<Kind> = setOf(COMPLETED, DISCARDED),
    /** Whether it may be unfinished when all is drained. */
    val mayStay: Boolean = false,
) {
    /** W1: moves one unit between two accounts, and notes the effect. */
    BANK("bank", isTransactional = true),

    /** W2: works outside the database for a moment. */
    EXTERNAL("external"),

    /** W3: enqueues three children in its transaction, down to a depth; notes the effect. */
    CHAIN("chain", isTransactional = true),

    /** W6: of one key there is one unfinished job. */
    KEYED("keyed"),

    /** W9: fails in its first attempts. */
    FAILING("failing"),

    /** W9: takes longer than a lease. */
    SLOW("slow"),

    /** W9: takes longer than it may, in its first attempt. */
    LATE("late"),

    /** W9: puts itself off once. */
    SNOOZING("snoozing"),

    /** W9: does not stop when it is cancelled. */
    STUBBORN("stubborn"),

    /** W10: ends its process, every time. */
    POISON("poison", endings = setOf(DISCARDED)),

    /** W10: nobody can read its args. */
    UNREADABLE("unreadable", endings = setOf(DISCARDED)),

    /** W10: no worker knows it, so it stays; unless it was aboard too often when a worker died. */
    UNKNOWN("unknown", endings = setOf(DISCARDED), mayStay = true),

    /**
     * W12: breaks its transaction, in one of several ways, in its first attempts, and notes the effects "before" and
     * "after"; then "before" and "done".
     */
    ABUSIVE("abusive", isTransactional = true),
    ;

    companion object {
        /** How many children a job of a chain has, unless it is the last of its line. */
        const val CHAIN_FAN = 3

        private val byTitle = entries.associateBy { it.title }

        /** Null for a job that is no deed of ours: an ordinary one, as the simulation has them. */
        fun of(title: String?): Deed? = byTitle[title]
    }
}
