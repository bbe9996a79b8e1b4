package chaos.fault

import chaos.plan.Fault
import chaos.plan.FaultKind
import chaos.plan.FaultKind.CONNECTION_LIMIT
import chaos.plan.FaultKind.CRASH_SERVER
import chaos.plan.FaultKind.TERMINATE_BACKEND
import kotlinx.coroutines.delay
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeSource

/** What happens to the server: it crashes, ends connections, takes no more of them. */
internal class ServerHarm(private val site: Site) : Harm {
    override val kinds: Set<FaultKind> = setOf(CRASH_SERVER, TERMINATE_BACKEND, CONNECTION_LIMIT)
    private val server = site.server

    override suspend fun inflict(fault: Fault): Struck = when (fault.kind) {
        CRASH_SERVER -> crash(fault)
        TERMINATE_BACKEND -> terminate(fault)
        CONNECTION_LIMIT -> limitConnections(fault)
        else -> error("${fault.kind} does not happen to the server")
    }

    override fun heal() {
        server.restart()
        unlimit()
    }

    private suspend fun crash(fault: Fault): Struck {
        val start = server.log.end
        val comeback: TimeSource.Monotonic.ValueTimeMark
        try {
            if (fault.detail == "backend") server.crashBackend() else server.crash()
            delay(fault.lasts)
        } finally {
            comeback = TimeSource.Monotonic.markNow()
            server.restart()
        }
        val took = comeback.elapsedNow().inWholeMilliseconds.milliseconds
        return Struck(server.log.count(start, "automatic recovery in progress"), "answered again after $took")
    }

    private suspend fun terminate(fault: Fault): Struck {
        val whom = if (fault.detail ==
            "any"
        ) {
            site.theirs
        } else {
            "application_name = 'kittiwake ${fault.detail}' and ${site.theirs}"
        }
        var ended = 0
        during(fault.lasts, STRIKE_EVERY) { ended += ifPossible { terminate(whom, atMost = 1) } ?: 0 }
        return Struck(ended)
    }

    /** So few that everybody who comes back, and everybody has to come back, is refused. */
    private suspend fun limitConnections(fault: Fault): Struck {
        val start = server.log.end
        val count = persistently { server.ask("select count(*) from pg_stat_activity where ${site.theirs}")!!.toInt() }
        val limit = (count / FEW).coerceAtLeast(1)
        try {
            persistently { server.execute("alter role ${site.role} connection limit $limit") }
            terminate(site.theirs, atMost = count - limit)
            during(fault.lasts, STRIKE_EVERY) { ifPossible { terminate(site.theirs, atMost = 1) } }
        } finally {
            unlimit()
        }
        val refused = server.log.count(start, "too many connections for role")
        return Struck(refused, "$limit instead of $count connections")
    }

    private fun unlimit() {
        persistently { server.execute("alter role ${site.role} connection limit -1") }
    }

    private fun terminate(whom: String, atMost: Int): Int = server
        .askAll(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid in " +
                "(select pid from pg_stat_activity where $whom order by random() limit $atMost)",
        ).size

    private companion object {
        val STRIKE_EVERY = 300.milliseconds
        const val FEW = 5
    }
}
