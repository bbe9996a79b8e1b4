@file:OptIn(KittiwakeSpi::class)

package chaos.planted

import chaos.audit.Audit
import chaos.history.Entry
import chaos.history.History
import chaos.history.Journal
import chaos.history.Rest
import chaos.history.Settings
import chaos.plan.Fault
import chaos.plan.FaultKind
import chaos.plan.Injected
import chaos.process.Pace
import chaos.process.goAt
import chaos.process.observedBy
import chaos.work.DeedTypes
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import kittiwake.KittiwakeSpi
import kittiwake.exposed.attach
import kittiwake.postgres.Kittiwake
import kittiwake.store.JobStore
import kittiwake.worker.RunningWorker
import kittiwake.worker.WorkerBuilder
import kittiwake.worker.worker
import org.jetbrains.exposed.v1.jdbc.Database
import java.nio.file.Files
import javax.sql.DataSource
import kotlin.time.Clock
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant

/**
 * A chaos run in small, in seconds: one database, with the audit on it; workers and producers in this JVM, each with a
 * journal and a [Kittiwake] of its own; and a history at the end.
 */
class Miniature(server: EmbeddedPostgres, database: String, private val pace: Pace) : AutoCloseable {
    private val folder = Files.createTempDirectory("miniature").toFile()
    private val journals = mutableMapOf<String, Journal>()
    private val queues = mutableListOf<Kittiwake>()
    private val running = mutableListOf<RunningWorker>()
    private val faults = mutableListOf<Injected>()

    /** The server as it is. */
    val plain: DataSource = run {
        server.postgresDatabase.connection.use { it.createStatement().execute("create database $database") }
        server.getDatabase("postgres", database)
    }
    private val audit = Audit(plain, SCHEMA)

    init {
        kittiwake(plain).migrate()
        audit.install()
    }

    fun journal(name: String): Journal = journals.getOrPut(name) { Journal(folder.resolve(name)) }

    /** A queue as a process of its own would have it, on [source]. */
    fun kittiwake(source: DataSource): Kittiwake = Kittiwake.connect(source) { schema = SCHEMA }.also { queues += it }

    /**
     * Starts a worker whose engine talks to [engine] through [store], while the transactions of its handlers are on
     * [users]. [bind] says what it does, in the transactions of that database.
     */
    fun worker(
        name: String,
        engine: DataSource = plain,
        users: DataSource = plain,
        store: (JobStore) -> JobStore = { it },
        bind: WorkerBuilder.(Database, Journal) -> Unit,
    ): RunningWorker {
        val db = Database.connect(users)
        // The fence speaks on the handlers' connections, whatever its queue was made of.
        val kittiwake = kittiwake(engine).also { it.attach(db) }
        val journal = journal(name)
        val worker = worker(store(kittiwake.store)) {
            this.name = name
            queue(DeedTypes.WORK) { concurrency = PLACES }
            queue(DeedTypes.TROUBLE) { concurrency = PLACES }
            bind(db, journal)
            observedBy(journal)
            goAt(pace)
        }
        return worker.start().also { running += it }
    }

    /** What was done to whom, from now on. */
    fun struck(kind: FaultKind, target: String) {
        val now = Clock.System.now()
        faults += Injected(Fault(kind, after = now - began, lasts = 1.seconds, target = target), now, now, strikes = 1)
    }

    private val began: Instant = Clock.System.now()

    /** Drains, for as long as [drain], stops everybody, and says what happened. */
    suspend fun history(drain: Duration): History {
        waitUntil(drain) { audit.unfinished(without = emptySet()) == 0L }
        val rest = atRest()
        val end = Clock.System.now()
        running.forEach { it.close() }
        val settings = Settings(
            pace.lease, pace.rescueEvery, pace.pollEvery,
            chaosFrom = end, healedAt = end, notifications = true, places = PLACES * running.size,
        )
        val entries = journals.keys.associateWith { Journal.read(folder.resolve(it)) }
        return History(
            settings, audit.changes(), audit.lives(), entries, audit.businesses(), audit.effects(), faults, rest,
        )
    }

    /** Listeners of those who have just ended may still be there, and those of the others not yet. */
    private suspend fun atRest(): Rest {
        val listeners = running.count { it.isActive }
        var rest = audit.rest(listeners)
        waitUntil(STILL) { audit.rest(listeners).also { rest = it }.let { it.listeners == it.listenersExpected } }
        return rest
    }

    override fun close() {
        running.forEach { it.close() }
        queues.forEach { it.close() }
        folder.deleteRecursively()
    }

    companion object {
        const val SCHEMA = "kittiwake"
        const val PLACES = 6
        private val STILL = 3.seconds

        /** As short as a worker allows, so that a silent one is given up soon. */
        fun pace(pollEvery: Duration = 200.milliseconds): Pace = Pace(
            lease = 1.seconds, heartbeatEvery = 200.milliseconds, pollEvery = pollEvery,
            rescueEvery = 200.milliseconds, shutdownGrace = 5.seconds,
        )
    }
}
