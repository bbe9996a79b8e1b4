package chaos.check

import chaos.history.Change
import chaos.history.Change.Kind.CLAIMED
import chaos.history.History
import chaos.history.LifeChange
import chaos.work.Deed
import chaos.work.DeedTypes
import kotlin.time.Duration
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant

/**
 * K16: who is ready is taken, while there is room.
 *
 * A poll and its jitter is the promise; where notifications work, nobody waits for a poll. All is compared by the
 * server's clock, from the commit of the enqueue to the claim. Judged are only jobs whose time was up before the first
 * fault, after the last worker that joined until then; none is when all places were taken at some time while it waited.
 */
class Prompt : Check {
    override val id = "K16"
    override val guards = listOf("G17")
    override val claim = "While places are free and nothing is broken, a ready job is claimed within a poll, or at once"

    override fun examine(history: History): Finding {
        val settings = history.settings
        val joins = history.lives.filter { it.kind == LifeChange.Kind.JOINED && it.at < settings.chaosFrom }
        val joined = joins.maxOfOrNull { it.at }
        val bound = ROOM + if (settings.notifications) ZERO else settings.pollEvery * JITTER
        val waits =
            history.byJob.values
                .mapNotNull(::waitOf)
                .filter { joined != null && it.ready > joined && it.ready + bound < settings.chaosFrom }
        val late = waits.filter { it.claimed == null || it.claimed - it.ready > bound }
        val room = Room(history)
        val broken =
            late.filterNot { room.wasTaken(it.queue, it.ready, it.ready + bound) }.map {
                val wait = it.claimed?.let { claimed -> "${claimed - it.ready} for its claim" } ?: "for a claim in vain"
                broken("was ready, with places free, and waited $wait; at most $bound is promised", it.job)
            }
        return Finding(broken, figures = figures(waits))
    }

    /** From when on a job was ready, and until when. */
    private class Wait(val job: Long, val queue: String, val ready: Instant, val claimed: Instant?)

    private fun waitOf(changes: List<Change>): Wait? {
        val enqueued = changes.enqueued ?: return null
        val ready = maxOf(enqueued.committedAt, enqueued.due ?: enqueued.committedAt)
        val next = changes.firstOrNull { it.kind == CLAIMED || it.kind.isEnd }
        return Wait(enqueued.job, queueOf(enqueued), ready, next?.at)
    }

    private fun figures(waits: List<Wait>): Map<String, String> {
        val took = waits.mapNotNull { wait -> wait.claimed?.let { it - wait.ready } }
        return mapOf("judged" to "${waits.size}", "longest wait" to "${took.maxOrNull() ?: Duration.ZERO}")
    }

    /** How many claims of a queue were open, and when. */
    private class Room(history: History) {
        private val places = history.settings.places
        private val steps: Map<String, List<Pair<Instant, Int>>> =
            history.byJob.values
                .flatMap { changes -> changes.enqueued?.let { claims(queueOf(it), changes) }.orEmpty() }
                .groupBy({ it.first }, { it.second })
                .mapValues { (_, steps) -> steps.sortedBy { it.first } }

        private fun claims(queue: String, changes: List<Change>): List<Pair<String, Pair<Instant, Int>>> = buildList {
            var isOpen = false
            for (change in changes) {
                val claimed = change.kind == CLAIMED
                if (claimed != isOpen) add(queue to (change.at to if (claimed) 1 else -1))
                isOpen = claimed
            }
        }

        /** Whether at some time from [from] to [until] nobody had a place for one more. */
        fun wasTaken(queue: String, from: Instant, until: Instant): Boolean {
            if (places == null) return false
            var open = 0
            for ((at, step) in steps[queue].orEmpty()) {
                if (at > until) break
                if (at > from && open >= places) return true
                open += step
            }
            return open >= places
        }
    }

    private companion object {
        /** Two processors, a dozen processes, and code that is not compiled yet. */
        val ROOM: Duration = 3.seconds

        /** A poll comes up to a tenth later. */
        const val JITTER = 1.1

        fun queueOf(enqueued: Change): String =
            Deed.of(enqueued.name)?.let { DeedTypes.of(it).queue.value } ?: enqueued.name.orEmpty()
    }
}
