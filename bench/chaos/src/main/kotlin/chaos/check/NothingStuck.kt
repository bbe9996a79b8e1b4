package chaos.check

import chaos.history.Change.Kind.CANCELLED
import chaos.history.History
import chaos.history.Rest
import chaos.work.Deed

/** K6: when all is drained nothing waits for anything, in the tables or on a connection. */
class NothingStuck : Check {
    override val id = "K6"
    override val guards = listOf("G1", "G9", "G17")
    override val claim = "After the drain nothing is running or waiting but what may stay, and connections are at rest"

    override fun examine(history: History): Finding {
        val rest = history.rest
        val tickets = rest.tickets()
        val broken =
            rest.leased.map { broken("is still in a lease", it) } +
                tickets.filterKeys { !history.mayWait(it) }.map { (job, where) -> broken("still waits: $where", job) } +
                tickets.filterValues { it.size > 1 }.map { (job, where) ->
                    broken("is in several places: $where", job)
                } +
                (rest.jobs - tickets.keys - rest.leased.toSet()).map { broken("is unfinished and has no ticket", it) }
        return Finding(broken + connections(rest), figures = mapOf("unfinished" to "${rest.jobs.size}"))
    }

    private fun Rest.tickets(): Map<Long, List<String>> =
        (ready.map { it to "ready" } + scheduled.map { it to "scheduled" }).groupBy({ it.first }, { it.second })

    /** The next claim drops the ticket of a cancelled job. */
    private fun History.mayWait(job: Long): Boolean {
        val changes = byJob[job] ?: return false
        return changes.end?.kind == CANCELLED || Deed.of(changes.enqueued?.name)?.mayStay == true
    }

    private fun connections(rest: Rest): List<Violation> = buildList {
        if (rest.busyConnections != 0) add(broken("${rest.busyConnections} connections are in the middle of something"))
        if (rest.listeners != rest.listenersExpected) {
            add(broken("${rest.listeners} connections listen instead of ${rest.listenersExpected}"))
        }
    }
}
