package chaos.process

import chaos.history.Entry
import chaos.history.Journal
import chaos.work.DeedTypes
import chaos.work.Deeds
import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import kittiwake.exposed.attach
import kittiwake.postgres.Kittiwake
import kittiwake.postgres.WatchedDataSource
import org.jetbrains.exposed.v1.jdbc.Database
import kotlin.time.Duration.Companion.seconds

/** A worker process. It ends when it is told to, or is ended. */
fun main(arguments: Array<String>) {
    val assignment = Assignment.decoded(arguments.single())
    val journal = Journal(assignment.journalFile)
    LogJournal.install(journal)
    journal.note { Entry.Process(it, ProcessHandle.current().pid()) }
    val pool = HikariDataSource(
        HikariConfig().also {
            it.jdbcUrl = assignment.jdbcUrl
            it.maximumPoolSize = PLACES + 2
            it.minimumIdle = 2
            it.connectionTimeout = 3.seconds.inWholeMilliseconds
            it.initializationFailTimeout = -1
        },
    )
    // One process after another does without the mark, and with it.
    val db = Database.connect(if (assignment.generation % 2 == 0) WatchedDataSource(pool) else pool)
    val kittiwake = Kittiwake.connect(pool) { schema = assignment.schema }.also { it.attach(db) }
    val pace = assignment.pace
    val worker = kittiwake.worker {
        name = assignment.name
        queue(DeedTypes.WORK) {
            concurrency = PLACES
            prefetch = 4
        }
        queue(DeedTypes.TROUBLE) { concurrency = PLACES }
        Deeds(db, journal, isMortal = !assignment.isWitness).bind(this)
        observedBy(journal)
        goAt(pace)
    }
    Weighing(journal).start()
    worker.runUntilShutdown()
    journal.note { Entry.Process(it, ProcessHandle.current().pid(), isEnd = true) }
}

/** How many jobs of one queue run at a time in one process. */
const val PLACES = 6
