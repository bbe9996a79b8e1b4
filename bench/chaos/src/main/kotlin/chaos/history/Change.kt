package chaos.history

import kotlinx.serialization.Serializable
import kotlin.time.Instant

/**
 * What the store did with one job, in the order in which it did it: the truth that everything else is compared with.
 *
 * On PostgreSQL it comes from triggers, in the simulation from the store itself.
 */
@Serializable
data class Change(
    /** Grows from change to change; two changes of one job are in the order of their transactions. */
    val order: Long,
    /** By the store's clock. */
    val at: Instant,
    val job: Long,
    val kind: Kind,
    /** For a claim, which attempt it is; after one, how many attempts count now. */
    val attempt: Int,
    /** The lease that was made, or that the change was made under. */
    val lease: Long? = null,
    /** Who holds that lease, or held it. */
    val worker: String? = null,
    /** Of [Kind.ENQUEUED]: what the job is called. */
    val name: String? = null,
    /** Of [Kind.ENQUEUED]: who enqueued it. */
    val parent: Long? = null,
    /** Of [Kind.ENQUEUED]: the key it must be the only one with. */
    val key: String? = null,
    /** Of [Kind.ENQUEUED]: how often it may be tried. */
    val maxAttempts: Int = 0,
    /** Of [Kind.ENQUEUED]: when it may run, if not at once. */
    val due: Instant? = null,
    /** When others could know of it; [at] is somewhat earlier. */
    val committedAt: Instant = at,
) {
    enum class Kind(val isEnd: Boolean = false) {
        ENQUEUED,
        CLAIMED,

        /** Back to run again; the attempt counts. */
        FAILED,

        /** Back to run again at no cost: snoozed, released, given back. */
        PUT_BACK,

        /** Taken from a silent worker, back to run again; the attempt counts. */
        RESCUED,
        COMPLETED(isEnd = true),

        /** By its worker, or by the rescuer when its attempts are used up. */
        DISCARDED(isEnd = true),
        CANCELLED(isEnd = true),
    }
}

/** What the store knows of one life of a worker. */
@Serializable
data class LifeChange(val order: Long, val at: Instant, val worker: String, val kind: Kind, val lastSeen: Instant) {
    enum class Kind {
        JOINED,

        /** A sign of life; [lastSeen] is the one before. */
        BEAT,

        /** It said goodbye. */
        LEFT,

        /** Somebody found it silent since [lastSeen]. */
        GIVEN_UP,
    }
}
