package chaos.fault

import chaos.fault.FailingStatements.Failure
import chaos.plan.Fault
import chaos.plan.FaultKind
import chaos.plan.FaultKind.DISK_FULL
import chaos.plan.FaultKind.NO_NOTIFICATIONS
import chaos.plan.FaultKind.READ_ONLY
import chaos.plan.FaultKind.SQL_ERROR
import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeoutOrNull
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** What happens to the statements of the library in the server. */
internal class StatementHarm(private val site: Site) : Harm {
    override val kinds: Set<FaultKind> = setOf(SQL_ERROR, READ_ONLY, DISK_FULL, NO_NOTIFICATIONS)
    private val server = site.server
    private val failing = FailingStatements(site)
    private val wakeUp = "${site.schema}.wake(text)"
    private var wakes: String? = null

    override fun prepare() {
        failing.prepare()
        // The function keeps its owner when it is replaced, and counts as that one.
        server.execute("create sequence if not exists chaos.unheard")
        server.execute("grant usage on schema chaos to public; grant usage on sequence chaos.unheard to public")
        wakes = server.ask("select pg_get_functiondef('$wakeUp'::regprocedure)")
    }

    override suspend fun inflict(fault: Fault): Struck = when (fault.kind) {
        SQL_ERROR -> fail(fault, fault.detail.orEmpty().split(' ').let { Failure(it.drop(1), it.first().toDouble()) })

        // The sessions of the library say for themselves that they write, so a setting would not do.
        READ_ONLY -> fail(fault, Failure(listOf("25006"), probability = 1.0))

        DISK_FULL -> fillDisk(fault)

        NO_NOTIFICATIONS -> silence(fault)

        else -> error("${fault.kind} does not happen to statements")
    }

    override fun heal() {
        site.disk?.free()
        failing.heal()
        speak()
    }

    private suspend fun fail(fault: Fault, failure: Failure, note: String? = null): Struck {
        val start = server.log.end
        failing.begin(failure)
        try {
            delay(fault.lasts)
        } finally {
            failing.end(failure)
        }
        return Struck(failing.strikes(start, failure), note)
    }

    private suspend fun fillDisk(fault: Fault): Struck {
        val disk = site.disk
            ?: return fail(fault, Failure(listOf("53100"), HALF), "no disk to fill on this machine: statements say so")
        // It may still be coming back from a crash, and who is down finds no disk full.
        persistently { disk.pack() }
        val start = server.log.end
        try {
            disk.fill()
            during(fault.lasts, REFILL_EVERY) { disk.fill() }
            // It strikes only who needs a new page, and where little is written nobody does for a while.
            withTimeoutOrNull(STRUCK_WITHIN) {
                while (fullSince(start) == 0) {
                    disk.fill()
                    delay(REFILL_EVERY)
                }
            }
        } finally {
            disk.free()
        }
        return Struck(fullSince(start))
    }

    private fun fullSince(start: Long): Int = server.log.count(start, "No space left on device")

    private suspend fun silence(fault: Fault): Struck {
        val unheard = unheard()
        var cutOff = 0
        persistently {
            server.execute(
                "create or replace function ${site.schema}.wake(queue text) returns void language sql " +
                    "security definer as \$\$ select nextval('chaos.unheard') \$\$",
            )
        }
        try {
            during(fault.lasts, CUT_OFF_EVERY) {
                cutOff += ifPossible { server.askAll(CUT_OFF_LISTENERS.replace(":theirs", site.theirs)).size } ?: 0
            }
        } finally {
            speak()
        }
        val lost = unheard() - unheard
        return Struck(cutOff + lost, "$lost notifications lost, $cutOff listeners cut off")
    }

    private fun unheard(): Int = persistently {
        server.ask("select case when is_called then last_value else 0 end from chaos.unheard")!!.toInt()
    }

    private fun speak() {
        wakes?.let { definition -> persistently { server.execute(definition) } }
    }

    private companion object {
        const val HALF = 0.5
        val REFILL_EVERY = 250.milliseconds
        val STRUCK_WITHIN = 10.seconds
        val CUT_OFF_EVERY = 1000.milliseconds
        const val CUT_OFF_LISTENERS =
            "select pg_terminate_backend(pid) from pg_stat_activity " +
                "where :theirs and application_name = 'kittiwake listener'"
    }
}
