package chaos.planted

import chaos.history.Entry
import chaos.history.Outcome
import chaos.work.Deed
import chaos.work.DeedArgs
import chaos.work.DeedTypes
import kittiwake.enqueue.JobRef
import kittiwake.postgres.Kittiwake
import java.sql.Connection
import java.util.concurrent.atomic.AtomicLong
import javax.sql.DataSource

/** A service that enqueues jobs with rows of its own, in transactions on [source]. */
class MiniatureProducer(miniature: Miniature, private val source: DataSource, name: String = "producer-1") {
    private val journal = miniature.journal(name)
    private val businesses = AtomicLong()
    val kittiwake: Kittiwake = miniature.kittiwake(source)

    /** One transaction: a business row and, by [enqueue], its jobs; [ending] says how it goes on. */
    fun offer(
        deed: Deed,
        args: List<DeedArgs> = listOf(DeedArgs(business = 0)),
        ending: Outcome = Outcome.COMMITTED,
        enqueue: (Connection, List<DeedArgs>) -> List<JobRef<*>> = { connection, jobs ->
            kittiwake.enqueueAll(connection, DeedTypes.of(deed), jobs)
        },
        beforeCommit: () -> Unit = {},
    ): List<JobRef<*>> = source.connection.use { connection ->
        val business = businesses.incrementAndGet()
        journal.note { Entry.Offered(it, business, args.size, deed.title) }
        connection.autoCommit = false
        connection.prepareStatement("insert into chaos.business (id, jobs) values (?, ?)").use {
            it.setLong(1, business)
            it.setInt(2, args.size)
            it.executeUpdate()
        }
        val jobs = enqueue(connection, args.map { it.copy(business = business) })
        beforeCommit()
        if (ending == Outcome.COMMITTED) connection.commit() else connection.rollback()
        journal.note {
            Entry.Settled(it, business, ending, jobs.map { job -> job.id.value }, jobs.map { job -> job.isNew })
        }
        jobs
    }
}
