package chaos.process

import chaos.history.Entry
import chaos.history.Journal
import chaos.history.Outcome
import chaos.work.Deed
import chaos.work.DeedTypes
import chaos.work.Offers
import chaos.work.Offers.Offer
import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import kittiwake.enqueue.JobRef
import kittiwake.postgres.Kittiwake
import kittiwake.store.Cancellation
import kotlinx.coroutines.runBlocking
import java.sql.Connection
import java.sql.SQLException
import kotlin.random.Random
import kotlin.time.Duration.Companion.seconds

/** A service that enqueues jobs with rows of its own, until it is told to end. */
fun main(arguments: Array<String>) {
    val assignment = Assignment.decoded(arguments.single())
    val journal = Journal(assignment.journalFile)
    LogJournal.install(journal)
    val producer = Producer(assignment, journal)
    Runtime.getRuntime().addShutdownHook(Thread(producer::stop))
    Weighing(journal).start()
    producer.run()
}

private class Producer(private val assignment: Assignment, private val journal: Journal) {
    private val random = Random(assignment.seed * 31 + assignment.generation)
    private val offers =
        Offers(
            random,
            firstBusiness = assignment.generation * GENERATION + assignment.seed % SEEDS * SEAT,
            poisonAfter = if (assignment.generation == 1) CALM_OFFERS else FEW_OFFERS,
        )
    private val pool = HikariDataSource(
        HikariConfig().also {
            it.jdbcUrl = assignment.jdbcUrl
            it.maximumPoolSize = 2
            it.isAutoCommit = false
            it.connectionTimeout = 3.seconds.inWholeMilliseconds
            it.initializationFailTimeout = -1
        },
    )
    private val kittiwake = Kittiwake.connect(pool) { schema = assignment.schema }
    private val pause = 1_000L / assignment.pace.offers

    @Volatile
    private var isStopped = false
    private val thread = Thread.currentThread()

    fun stop() {
        isStopped = true
        thread.join()
    }

    fun run() {
        journal.note { Entry.Process(it, ProcessHandle.current().pid()) }
        while (!isStopped) {
            val offer = offers.next()
            val jobs = make(offer)
            if (jobs.isNotEmpty() && random.nextInt(CALLS_OFF_ONE_IN) == 0) callOff(jobs.random(random))
            Thread.sleep(random.nextLong(pause * 2))
        }
        journal.note { Entry.Process(it, ProcessHandle.current().pid(), isEnd = true) }
    }

    /** One transaction: a business row, and its jobs. */
    private fun make(offer: Offer): List<JobRef<*>> {
        journal.note { Entry.Offered(it, offer.business, offer.args.size, offer.deed.title, offer.args.first().key) }
        var refs = emptyList<JobRef<*>>()
        var isCommitting = false
        try {
            pool.connection.use { connection ->
                insertBusiness(connection, offer)
                refs = enqueue(connection, offer)
                if (offer.isRolledBack) {
                    connection.rollback()
                } else {
                    isCommitting = true
                    connection.commit()
                    isCommitting = false
                    settled(offer, Outcome.COMMITTED, refs)
                    return refs
                }
            }
            settled(offer, Outcome.ROLLED_BACK, refs)
        } catch (e: SQLException) {
            settled(offer, if (isCommitting) Outcome.UNKNOWN else Outcome.ROLLED_BACK, refs, e)
        }
        return emptyList()
    }

    private fun insertBusiness(connection: Connection, offer: Offer) {
        connection.prepareStatement("insert into chaos.business (id, jobs) values (?, ?)").use {
            it.setLong(1, offer.business)
            it.setInt(2, offer.args.size)
            it.executeUpdate()
        }
    }

    private fun enqueue(connection: Connection, offer: Offer): List<JobRef<*>> = if (offer.deed == Deed.UNREADABLE) {
        listOf(kittiwake.enqueue(connection, DeedTypes.unreadable, "unreadable"))
    } else {
        kittiwake.enqueueAll(connection, DeedTypes.of(offer.deed), offer.args) {
            priority = random.nextInt(3)
            if (random.nextInt(20) == 0) delay = random.nextInt(1, 4).seconds
        }
    }

    private fun settled(offer: Offer, outcome: Outcome, refs: List<JobRef<*>>, e: SQLException? = null) {
        journal.note {
            Entry.Settled(
                it, offer.business, outcome,
                refs.map { ref ->
                    ref.id.value
                },
                refs.map { ref -> ref.isNew }, e?.sqlState,
            )
        }
    }

    private fun callOff(job: JobRef<*>) {
        val answer =
            try {
                when (runBlocking { kittiwake.cancel(job.id) }) {
                    Cancellation.Cancelled -> "cancelled"
                    is Cancellation.AlreadyEnded -> "ended"
                    Cancellation.NotFound -> "not found"
                }
            } catch (_: SQLException) {
                "unknown"
            }
        journal.note { Entry.CalledOff(it, job.id.value, answer) }
    }

    private companion object {
        const val CALLS_OFF_ONE_IN = 25

        /** More than are made while a run warms up; and so few that a second process after a kill comes to it, too. */
        const val CALM_OFFERS = 350
        const val FEW_OFFERS = 60

        /** Business rows of different producers, and of one after another, have numbers of their own. */
        const val SEEDS = 100
        const val SEAT = 1_000_000_000L
        const val GENERATION = 10_000_000L
    }
}
