package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.assertions.withClue
import io.kotest.core.spec.style.FunSpec
import io.kotest.core.test.Enabled
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.testing.PgBouncer
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.jobStoreContract
import kittiwake.testing.working
import kotlinx.serialization.Serializable
import java.sql.Connection
import kotlin.time.Duration.Companion.milliseconds

@Serializable
private class Pooled(val number: Int)

/** Behind a pooler in transaction mode, with notifications off. */
@OptIn(KittiwakeSpi::class)
class PgBouncerSpec :
    FunSpec(
        behind@{
            val binary = PgBouncer.binary
            if (binary == null) {
                test("the contract, workers and enqueues, behind PgBouncer in transaction mode")
                    .config(enabledOrReasonIf = { Enabled.disabled("there is no pgbouncer on this machine") }) { }
                return@behind
            }
            val pgbouncer = autoClose(PgBouncer(binary))
            val type = job<Pooled, Int>("pooled") {
                retry = fixed(50.milliseconds)
                unique { if (it.number < 0) "${it.number}" else null }
            }

            fun kittiwake() = TestDatabase.kittiwake(pgbouncer.dataSource) { notifications = false }

            fun <T> inTransaction(block: (Connection) -> T): T = pgbouncer.dataSource.connection.use { connection ->
                connection.autoCommit = false
                block(connection)
            }

            include(jobStoreContract { autoClose(kittiwake()).store })

            test("a worker runs many jobs at once, retries, and starts what is put off") {
                val kittiwake = autoClose(kittiwake())
                val events = RecordedEvents()
                kittiwake.working(events, {
                    queue("pooled") { concurrency = 20 }
                    pollEvery = 100.milliseconds
                    heartbeatEvery = 50.milliseconds
                    rescueEvery = 50.milliseconds
                    handle(type) { args ->
                        if (args.number % 10 == 0 && attempt == 1) error("once")
                        args.number
                    }
                }) {
                    val jobs = kittiwake.submitAll(type, (0 until 300).map { Pooled(it) }) { args ->
                        if (args.number % 7 == 0) delay = 200.milliseconds
                    }
                    jobs.forEachIndexed { number, job ->
                        val ended = kittiwake.awaitEnd(job.id).shouldNotBeNull()
                        ended.result shouldBe "$number"
                        ended.attempts shouldBe if (number % 10 == 0) 2 else 1
                    }
                    events.all.value.filterIsInstance<JobEvent.LeaseLost>().shouldBeEmpty()
                }
            }

            test("a job in a transaction commits and rolls back with it, and its key is unique") {
                val kittiwake = autoClose(kittiwake())
                val kept = inTransaction { c -> kittiwake.enqueue(c, type, Pooled(-1)).also { c.commit() } }
                val gone = inTransaction { c -> kittiwake.enqueue(c, type, Pooled(-2)).also { c.rollback() } }
                val again = inTransaction { c -> kittiwake.enqueue(c, type, Pooled(-1)).also { c.commit() } }
                kittiwake.find(kept.id).shouldNotBeNull()
                kittiwake.find(gone.id).shouldBeNull()
                again.id shouldBe kept.id
            }

            test("the fence of a handler's transaction holds from its first statement to its last") {
                val kittiwake = autoClose(kittiwake())
                val store = kittiwake.store
                val queue = QueueName("pooled")
                val worker = WorkerId.random().also { store.join(it, "fenced", setOf(queue)) }
                val (whole, broken) = kittiwake.submitAll(type, List(2) { Pooled(it) }).map { job ->
                    job.id to store.claim(worker, queue, 1).single()
                }
                inTransaction { c ->
                    kittiwake.fence().open(c, whole.second)
                    kittiwake.fence().commit(c, whole.second, "1", 1.milliseconds)
                }
                (kittiwake.find(whole.first)?.state is JobState.Ended) shouldBe true
                inTransaction { c ->
                    kittiwake.fence().open(c, broken.second)
                    c.commit()
                    shouldThrow<IllegalStateException> {
                        kittiwake.fence().commit(c, broken.second, "1", 1.milliseconds)
                    }
                    c.rollback()
                }
                (kittiwake.find(broken.first)?.state is JobState.Running) shouldBe true
            }

            test("a statement that fails is over, and leaves its session usable") {
                val kittiwake = autoClose(kittiwake())
                val job = kittiwake.submit(type, Pooled(1))
                TestDatabase.execute("alter table ${kittiwake.schema}.archive rename to elsewhere")
                repeat(2 * pgbouncer.sessions) {
                    runCatching { kittiwake.cancel(job.id) }.isFailure shouldBe true
                }
                TestDatabase.execute("alter table ${kittiwake.schema}.elsewhere rename to archive")
                kittiwake.cancel(job.id)
                val stuck = "select pid from pg_stat_activity where state like 'idle in transaction%'"
                TestDatabase.query(stuck).shouldBeEmpty()
            }

            test("is recognised") {
                pgbouncer.dataSource.connection.use(ServerCheck::isPooled) shouldBe true
                TestDatabase.connect(ServerCheck::isPooled) shouldBe false
            }

            test("the application finds its sessions as it would without Kittiwake") {
                val kittiwake = autoClose(kittiwake())
                val events = RecordedEvents()
                kittiwake.working(events, {
                    queue("pooled")
                    pollEvery = 20.milliseconds
                    handle(type) { it.number }
                }) {
                    val jobs = kittiwake.submitAll(type, List(50) { Pooled(it) })
                    jobs.forEach { events.awaitOf<JobEvent.Completed>(it.id) }
                    kittiwake.store.prune(emptySet())
                }
                val untouched = TestDatabase.query(SETTINGS).toSet()
                val all = List(pgbouncer.sessions) { pgbouncer.dataSource.connection.also { it.autoCommit = false } }
                try {
                    val seen = all.map { it.ask("select pg_backend_pid()").single() to it.ask(SETTINGS) }
                    seen.map { it.first }.distinct() shouldHaveSize pgbouncer.sessions
                    seen.forEach { (pid, found) -> withClue("session $pid") { (found - untouched).shouldBeEmpty() } }
                    all.forEach { it.ask("select * from pg_listening_channels()").shouldBeEmpty() }
                    val pids = seen.joinToString { it.first }
                    TestDatabase
                        .query("select pid from pg_locks where locktype = 'advisory' and pid in ($pids)")
                        .shouldBeEmpty()
                } finally {
                    all.forEach { it.close() }
                }
            }
        },
    )

/** All that a session can be set to, but what the driver and the pooler say for each client. */
private const val SETTINGS =
    "select name || ' = ' || setting from pg_settings where context in ('user', 'superuser') " +
        "and name not in ('application_name', 'extra_float_digits') and name not like 'plpgsql.%'"

private fun Connection.ask(sql: String): List<String> = createStatement().use { statement ->
    statement.executeQuery(sql).use { rows -> buildList { while (rows.next()) add(rows.getString(1)) } }
}
