package chaos

import chaos.audit.Audit
import chaos.fault.Injector
import chaos.fault.Site
import chaos.history.Entry
import chaos.history.Footprint
import chaos.history.History
import chaos.history.LifeChange
import chaos.history.Settings
import chaos.plan.FaultPlan
import chaos.plan.Injected
import chaos.process.PLACES
import chaos.process.Pace
import chaos.server.CrashableServer
import chaos.server.SmallDisk
import chaos.work.Deed
import kittiwake.postgres.Kittiwake
import kotlinx.coroutines.runBlocking
import org.postgresql.ds.PGSimpleDataSource
import java.nio.file.Path
import kotlin.time.Clock
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant
import kotlin.time.TimeSource

/**
 * One run: warm up, break things by plan, take every fault back, let the work drain, hold still, and read what happened.
 */
class ChaosRun(private val options: Options, private val plan: FaultPlan, private val results: Path) {
    private val pace = Pace()

    /** The version of the server, once it has run. */
    var postgres = "unknown"
        private set

    fun run(): History = CrashableServer.start(results, SETTINGS).use { server ->
        val audit = prepare(server)
        val disk = SmallDisk.attach(server)
        try {
            // What grows, and can be full.
            disk?.take("${Cast.SCHEMA}.job", "${Cast.SCHEMA}.ready")
            Cast(server, results, options, pace).use { cast -> run(server, cast, audit, disk) }
        } finally {
            server.crash()
            disk?.close()
        }
    }

    private fun run(server: CrashableServer, cast: Cast, audit: Audit, disk: SmallDisk?): History {
        cast.begin()
        awaitWorkers(audit)
        say("warming up")
        pause(WARM_UP)
        val from = Clock.System.now()
        say("${plan.faults.size} faults within ${options.length}")
        val site = Site(server, Cast.SCHEMA, Cast.APPLICATION, cast.workers, cast.producers, disk)
        val faults = runBlocking { Injector(site).run(plan, ::say) }
        val healedAt = Clock.System.now()
        say("healed; a deployment, while work goes on")
        deploy(cast)
        say("draining")
        cast.stopProducers()
        drain(audit)
        val rest = audit.rest(listenersExpected = cast.workerCount)
        cast.stopWorkers()
        val journals = cast.journals()
        val settings = Settings(
            pace.lease, pace.rescueEvery, pace.pollEvery, from, healedAt, plan.kinds,
            notifications = true, places = Cast.WORKERS * PLACES,
        )
        return History(
            settings, audit.changes(), audit.lives(), journals, audit.businesses(), audit.effects(), faults,
            rest.copy(footprints = footprints(journals)),
        )
    }

    private fun prepare(server: CrashableServer): Audit {
        postgres = checkNotNull(server.ask("show server_version"))
        server
            .execute("create role ${Cast.APPLICATION} login; grant create on database postgres to ${Cast.APPLICATION}")
        val owner = PGSimpleDataSource().also { it.setURL(server.url(user = Cast.APPLICATION)) }
        Kittiwake.connect(owner) { schema = Cast.SCHEMA }.use { it.migrate() }
        val superuser = PGSimpleDataSource().also { it.setURL(server.url()) }
        return Audit(superuser, Cast.SCHEMA).also {
            it.install()
            server.execute(
                "grant usage on schema chaos to ${Cast.APPLICATION};" +
                    "grant select, insert, update on all tables in schema chaos to ${Cast.APPLICATION}",
            )
        }
    }

    /** A process may take long to start where others start, too; what is broken before it works shows little. */
    private fun awaitWorkers(audit: Audit) {
        val started = TimeSource.Monotonic.markNow()

        fun joined() = audit.lives().count { it.kind == LifeChange.Kind.JOINED }
        while (joined() < Cast.WORKERS && started.elapsedNow() < START) pause(POLL)
    }

    /** Once more when no worker was in the middle of anything. */
    private fun deploy(cast: Cast) {
        repeat(DEPLOYMENTS) {
            pause(AFTERGLOW)
            cast.redeployWorkers()
            pause(AFTERGLOW)
            if (cast.journals().values.any(::hasReleased)) return
        }
    }

    private fun hasReleased(journal: List<Entry>) = journal.any { it is Entry.Told && it.event == "Released" }

    /** Until nothing is left but what nobody can do, or for as long as anybody may ask for. */
    private fun drain(audit: Audit) {
        val started = TimeSource.Monotonic.markNow()
        val stays = Deed.entries.filter { it.mayStay }.mapTo(mutableSetOf()) { it.title }
        while (audit.unfinished(without = stays) > 0 && started.elapsedNow() < DRAIN) pause(POLL)
        say("drained in ${started.elapsedNow().inWholeSeconds} s; checking")
        pause(STILL)
    }

    private fun footprints(journals: Map<String, List<Entry>>): Map<String, List<Footprint>> =
        journals.mapValues { (_, entries) ->
            entries.filterIsInstance<Entry.Weighed>().map { Footprint(it.at, it.heapBytes, it.threads, 0) }
        }

    private fun say(injected: Injected) {
        val fault = injected.fault
        say(
            "${fault.kind.id.padEnd(10)} ${fault.kind.says}: ${fault.target ?: "everybody"}, ${fault.lasts}, " +
                "struck ${injected.strikes}" + injected.note?.let { " ($it)" }.orEmpty(),
        )
    }

    private fun say(what: String) {
        println("  ${clock()}  $what")
    }

    private val started = TimeSource.Monotonic.markNow()

    private fun clock() = "%4d s".format(started.elapsedNow().inWholeSeconds)

    private fun pause(duration: Duration) {
        Thread.sleep(duration.inWholeMilliseconds)
    }

    private companion object {
        /** Commit times tell since when others could know of a change. */
        val SETTINGS = mapOf("track_commit_timestamp" to "on", "log_lock_waits" to "on")
        val START = 60.seconds
        val WARM_UP = 8.seconds
        val AFTERGLOW = 2.seconds
        const val DEPLOYMENTS = 4
        val DRAIN = 120.seconds
        val POLL = 200.milliseconds
        val STILL = 1.seconds
    }
}
