package chaos.check

import chaos.history.Entry
import chaos.history.Entry.Began
import chaos.history.Entry.Over
import chaos.history.Entry.Process
import chaos.history.History
import chaos.plan.Injected
import kotlin.time.Instant

/** One execution of a job: a handler that began, how it was over if it was, and whether its process died under it. */
internal class Execution(val process: String, val began: Began, val over: Over?, val isCutOff: Boolean)

/** Everything that handlers did, by job. */
internal fun History.executions(): Map<Long, List<Execution>> =
    journals.flatMap { (process, entries) -> executionsOf(process, entries) }.groupBy { it.began.job }

private fun executionsOf(process: String, entries: List<Entry>): List<Execution> = buildList {
    val running = LinkedHashMap<Pair<Long, Long>, Began>()

    fun cutOff() {
        running.values.forEach { add(Execution(process, it, over = null, isCutOff = true)) }
        running.clear()
    }
    for (entry in entries) {
        when (entry) {
            is Began ->
                running.put(entry.job to entry.lease, entry)?.let {
                    add(Execution(process, it, null, isCutOff = false))
                }
            is Over ->
                running.remove(entry.job to entry.lease)?.let { add(Execution(process, it, entry, isCutOff = false)) }
            is Process -> if (!entry.isEnd) cutOff()
            else -> Unit
        }
    }
    running.values.forEach { add(Execution(process, it, over = null, isCutOff = false)) }
}

/** Which process a worker id belonged to, as far as it ran anything. */
internal fun History.processes(): Map<String, String> =
    journals.flatMap { (process, entries) -> entries.filterIsInstance<Began>().map { it.worker to process } }.toMap()

/** Whether it was done to [process], or to everybody, at some time from [from] to [until]. */
internal fun Injected.struck(process: String?, from: Instant, until: Instant): Boolean =
    (fault.target == null || fault.target == process) && this.from <= until && this.until >= from
