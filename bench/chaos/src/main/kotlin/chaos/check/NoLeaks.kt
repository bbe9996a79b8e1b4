package chaos.check

import chaos.history.Entry.Process
import chaos.history.Footprint
import chaos.history.History
import kotlin.time.Duration.Companion.minutes

/** K14: a process holds no more late in the run than early. */
class NoLeaks : Check {
    override val id = "K14"
    override val guards = emptyList<String>()
    override val claim = "Heap after a collection, threads and connections of a process stay what they were"

    override fun examine(history: History): Finding {
        val run = history.settings.healedAt - history.settings.chaosFrom
        if (run < LONG_ENOUGH) return Finding(notes = listOf("too short to tell: $run is less than $LONG_ENOUGH"))
        val lives = history.rest.footprints.flatMap { (process, all) -> lives(history, process, all) }
        val long = lives.filter { (_, it) -> it.size > 1 && it.last().at - it.first().at >= LONG_ENOUGH }
        if (long.isEmpty()) return Finding(inconclusive = listOf("no process lived for $LONG_ENOUGH and was weighed"))
        return Finding(
            long.flatMap { (process, footprints) -> growth(footprints).map { broken("$process: $it") } },
            figures = mapOf("processes weighed" to "${long.size}"),
        )
    }

    /** One process after another has had the name; each begins anew. */
    private fun lives(history: History, process: String, all: List<Footprint>): List<Pair<String, List<Footprint>>> {
        val starts = history.journals[process].orEmpty().filter { it is Process && !it.isEnd }.map { it.at }
        return all.sortedBy { it.at }.groupBy { print -> starts.count { it <= print.at } }.values.map { process to it }
    }

    private fun growth(footprints: List<Footprint>): List<String> {
        val part = (footprints.size / 3).coerceAtLeast(1)
        val early = footprints.take(part)
        val late = footprints.takeLast(part)

        fun grown(what: String, allowance: (Long) -> Long, of: (Footprint) -> Long): String? {
            val before = early.map(of).median()
            val after = late.map(of).median()
            return "$what grew from $before to $after".takeIf { after > before + allowance(before) }
        }
        return listOfNotNull(
            grown("heap", { it / 2 + HEAP_ALLOWANCE }) { it.heapBytes },
            grown("threads", { THREAD_ALLOWANCE }) { it.threads.toLong() },
            grown("connections", { CONNECTION_ALLOWANCE }) { it.connections.toLong() },
        )
    }

    private fun List<Long>.median() = sorted()[size / 2]

    private companion object {
        val LONG_ENOUGH = 5.minutes

        /** Caches fill, and threads and connections come and go with the load: what leaks passes these in minutes. */
        const val HEAP_ALLOWANCE = 16L * 1024 * 1024
        const val THREAD_ALLOWANCE = 12L
        const val CONNECTION_ALLOWANCE = 4L
    }
}
