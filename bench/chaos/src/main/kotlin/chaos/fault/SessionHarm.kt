package chaos.fault

import chaos.plan.Fault
import chaos.plan.FaultKind
import chaos.plan.FaultKind.HOLD_SNAPSHOT
import chaos.plan.FaultKind.LOCK_TABLE
import chaos.plan.FaultKind.STATEMENT_TIMEOUT
import kotlinx.coroutines.delay
import java.sql.Connection
import java.sql.SQLException
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeSource

/** What other sessions of the same database do to the library. */
internal class SessionHarm(private val site: Site) : Harm {
    override val kinds: Set<FaultKind> = setOf(LOCK_TABLE, HOLD_SNAPSHOT, STATEMENT_TIMEOUT)
    private val server = site.server

    override suspend fun inflict(fault: Fault): Struck = when (fault.kind) {
        LOCK_TABLE -> lock(fault)
        HOLD_SNAPSHOT -> hold(fault)
        STATEMENT_TIMEOUT -> cancelStatements(fault)
        else -> error("${fault.kind} is not done by a session")
    }

    /** Nothing is left of a session that has ended. */
    override fun heal(): Unit = Unit

    private suspend fun lock(fault: Fault): Struck {
        val waited = mutableSetOf<String?>()
        session { connection ->
            val pid = connection.ask("select pg_backend_pid()")
            persistently { connection.begin("lock table ${site.schema}.${fault.detail} in access exclusive mode") }
            during(fault.lasts, LOOK_EVERY) {
                ifPossible {
                    server.askAll("select pid from pg_stat_activity where $pid = any(pg_blocking_pids(pid))")
                }?.let(waited::addAll)
            }
        }
        return Struck(waited.size, "${waited.size} sessions waited for the table ${fault.detail}")
    }

    /** If the server crashes meanwhile, another snapshot is held from then on. */
    private suspend fun hold(fault: Fault): Struck {
        var held = 0
        var oldest = 0
        val since = TimeSource.Monotonic.markNow()
        while (since.elapsedNow() < fault.lasts) {
            ifPossible {
                session { connection ->
                    connection.transactionIsolation = Connection.TRANSACTION_REPEATABLE_READ
                    val pid = connection.ask("select pg_backend_pid()")
                    connection.ask("select count(*) from ${site.schema}.job")
                    held++
                    during(fault.lasts - since.elapsedNow(), LOOK_EVERY * 2) {
                        val age = server.ask("select age(backend_xmin) from pg_stat_activity where pid = $pid")
                        oldest = maxOf(oldest, age?.toInt() ?: throw SQLException("the session is gone"))
                    }
                }
            } ?: delay(LOOK_EVERY)
        }
        return Struck(if (oldest > 0) held else 0, "the oldest snapshot was $oldest transactions old")
    }

    /** As a timeout of 200 ms would: while a table is locked for somewhat longer, so that there is something to cancel. */
    private suspend fun cancelStatements(fault: Fault): Struck {
        val start = server.log.end
        during(fault.lasts, TIMEOUT) {
            ifPossible {
                session { connection ->
                    connection.begin("lock table ${site.schema}.ready in exclusive mode")
                    delay(TIMEOUT)
                    server.askAll(CANCEL.replace(":theirs", site.theirs))
                }
            }
        }
        return Struck(server.log.count(start, "canceling statement due to user request"))
    }

    private suspend fun <T> session(block: suspend (Connection) -> T): T =
        server.connect("chaos session").use { connection ->
            connection.autoCommit = false
            block(connection)
        }

    private fun Connection.begin(sql: String) {
        try {
            createStatement().use { it.execute(sql) }
        } catch (e: SQLException) {
            rollback()
            throw e
        }
    }

    private fun Connection.ask(sql: String): String = createStatement().use { statement ->
        statement.executeQuery(sql).use { rows ->
            rows.next()
            rows.getString(1)
        }
    }

    private companion object {
        val LOOK_EVERY = 200.milliseconds
        val TIMEOUT = 200.milliseconds
        const val CANCEL =
            "select pg_cancel_backend(pid) from pg_stat_activity " +
                "where :theirs and state = 'active' and query_start < clock_timestamp() - interval '100 ms'"
    }
}
