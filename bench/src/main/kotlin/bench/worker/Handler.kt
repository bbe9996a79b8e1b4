package bench.worker

import bench.Effect
import bench.NoopArgs
import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import kittiwake.exposed.attach
import kittiwake.exposed.handleInTransaction
import kittiwake.job.JobType
import kittiwake.postgres.Kittiwake
import kittiwake.postgres.WatchedDataSource
import kittiwake.postgres.handleInTransaction
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.delay
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.insert
import javax.sql.DataSource
import kotlin.time.Duration
import kotlin.time.Duration.Companion.hours

/** What the handlers of a worker process do. */
internal enum class Handler {
    /** Nothing. */
    NOOP,

    /** Wait for an hour, unless the number in their args is below zero. */
    SUSPENDED,

    /** Nothing, and nothing of Kittiwake is there but its sockets: a bare program that listens. */
    BARE,

    /** The same, and whoever enqueues hands the jobs over to it. */
    BARE_HANDED_OVER,

    /** Insert a row in the transaction that completes the job, with Exposed. */
    IN_EXPOSED,

    /** The same on connections that nobody watches. */
    UNWATCHED,

    /** The same with plain JDBC. */
    IN_JDBC,
    ;

    val isBare: Boolean get() = this == BARE || this == BARE_HANDED_OVER
}

/** The handler that waits, as it is without a queue. */
internal val suspended: suspend NoopArgs.() -> Unit = { if (number >= 0) delay(1.hours) }

/** Has [handler] work jobs of [type]; [work] is what one that does nothing does for those who measure. */
internal fun WorkerBuilder.bind(
    handler: Handler,
    type: JobType<NoopArgs, Unit>,
    transactional: Lazy<Transactional>,
    work: (NoopArgs) -> Unit,
) {
    when (handler) {
        Handler.NOOP -> handle(type) { args -> work(args) }
        Handler.BARE, Handler.BARE_HANDED_OVER -> error("That is no worker")
        Handler.SUSPENDED -> handle(type) { args -> args.suspended() }
        Handler.IN_EXPOSED -> transactional.value.withExposed(this, type, WatchedDataSource(transactional.value.pool))
        Handler.UNWATCHED -> transactional.value.withExposed(this, type, transactional.value.pool)
        Handler.IN_JDBC -> transactional.value.withJdbc(this, type)
    }
    // Nobody waits for handlers that sleep for an hour.
    if (handler == Handler.SUSPENDED) shutdownGrace = Duration.ZERO
}

/** Binds the transactional handlers, and holds what they need: a pool such as an application has. */
internal class Transactional(settings: WorkerSettings, private val kittiwake: Kittiwake) {
    private val concurrency = checkNotNull(settings.concurrency) { "How many connections are needed must be said" }
    val pool: DataSource = HikariConfig().run {
        jdbcUrl = settings.jdbcUrl
        maximumPoolSize = concurrency + 1
        isAutoCommit = false
        HikariDataSource(this)
    }

    fun withExposed(builder: WorkerBuilder, type: JobType<NoopArgs, Unit>, source: DataSource) {
        val db = Database.connect(source).also(kittiwake::attach)
        builder.handleInTransaction(type, db) { args ->
            Effect.insert {
                it[number] = args.number
                it[text] = args.text
            }
        }
    }

    fun withJdbc(builder: WorkerBuilder, type: JobType<NoopArgs, Unit>) {
        builder.handleInTransaction(type, kittiwake, pool) { connection, args ->
            connection.prepareStatement(Effect.INSERT).use {
                it.setInt(1, args.number)
                it.setString(2, args.text)
                it.executeUpdate()
            }
        }
    }
}
