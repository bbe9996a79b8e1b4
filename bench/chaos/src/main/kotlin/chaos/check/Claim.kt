package chaos.check

import chaos.history.Change
import chaos.history.Change.Kind.CLAIMED
import chaos.history.Change.Kind.ENQUEUED
import chaos.history.History
import kotlin.time.Instant

/** One claim of a job, and the change that it was over with: null when it never was. */
internal class Claim(val made: Change, val over: Change?) {
    val job: Long get() = made.job
    val attempt: Int get() = made.attempt
    val lease: Long? get() = made.lease
    val worker: String? get() = made.worker

    fun isOpenAt(at: Instant): Boolean = made.at <= at && (over == null || over.at > at)

    override fun toString(): String = "attempt $attempt in lease $lease of $worker"
}

/** The claims of each job, in their order. */
internal fun History.claims(): Map<Long, List<Claim>> = byJob.mapValues { (_, changes) -> claimsIn(changes) }

private fun claimsIn(changes: List<Change>): List<Claim> = buildList {
    var open: Change? = null
    for (change in changes) {
        if (change.kind == ENQUEUED) continue
        open?.let { add(Claim(it, change.takeIf { change.kind != CLAIMED })) }
        open = change.takeIf { change.kind == CLAIMED }
    }
    open?.let { add(Claim(it, null)) }
}

/** What a job is called, and what else was said when it was enqueued. */
internal val List<Change>.enqueued: Change? get() = firstOrNull { it.kind == ENQUEUED }

/** How a job ended at last. */
internal val List<Change>.end: Change? get() = lastOrNull { it.kind.isEnd }
