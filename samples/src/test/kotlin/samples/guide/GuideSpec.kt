package samples.guide

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.string.shouldStartWith
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.exposed.attach
import kittiwake.exposed.enqueue
import kittiwake.job.After
import kittiwake.job.Ending
import kittiwake.job.Failure
import kittiwake.job.GiveUp
import kittiwake.job.JobId
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.postgres.Kittiwake
import kittiwake.testing.TestDatabase
import kittiwake.worker.Worker
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.SchemaUtils
import org.jetbrains.exposed.v1.jdbc.deleteAll
import org.jetbrains.exposed.v1.jdbc.insert
import org.jetbrains.exposed.v1.jdbc.selectAll
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.io.FileNotFoundException
import java.io.IOException
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** Everything that the guide shows, run. */
class GuideSpec :
    FunSpec({
        val db by lazy { Database.connect(TestDatabase.dataSource) }

        context("retries") {
            test("the policies do what the guide says of them") {
                (1..8).map { (Policies.steady.decide(Failure(IOException(), it)) as After).delay } shouldContainExactly
                    listOf(10, 20, 30, 40, 50, 60, 70, 80).map { it.seconds }
                Policies.patient.decide(Failure(IOException(), 8)).shouldBeInstanceOf<GiveUp>()
                Policies.picky.decide(Failure(IOException(), 1)).shouldBeInstanceOf<After>()
                Policies.picky.decide(Failure(FileNotFoundException(), 1)).shouldBeInstanceOf<GiveUp>()
                Policies.picky.decide(Failure(IllegalStateException(), 1)).shouldBeInstanceOf<GiveUp>()
                Policies.staged.maxAttempts shouldBe 8
                (Policies.own.decide(Failure(TooManyRequests(), 1)) as After).delay shouldBe 1.minutes
                Policies.own.decide(Failure(IOException(), 1)).shouldBeInstanceOf<GiveUp>()
            }
        }

        context("handlers") {
            test("end their jobs as completed, put off or discarded") {
                TestDatabase.kittiwake().use { kittiwake ->
                    val jobs = ExportJobs(ScriptedReports)
                    val worker = kittiwake.worker {
                        queue("export.pages", "export.when-ready", "export.blocking", "export.tidy")
                        jobs(jobs.pages, jobs.whenReady, jobs.blocking, jobs.tidy)
                    }
                    working(worker) {
                        kittiwake.ended(kittiwake.submit(jobs.pages, ExportArgs(1)).id).result shouldBe "3"
                        kittiwake.ended(kittiwake.submit(jobs.blocking, ExportArgs(1)).id).result shouldBe "\"1 of 1\""
                        kittiwake.ended(kittiwake.submit(jobs.tidy, ExportArgs(1)).id).result shouldBe "\"page 1\""
                        val ready = kittiwake.ended(kittiwake.submit(jobs.whenReady, ExportArgs(1)).id)
                        ready.ending shouldBe Ending.COMPLETED
                        val gone = kittiwake.ended(kittiwake.submit(jobs.whenReady, ExportArgs(404)).id)
                        gone.ending shouldBe Ending.DISCARDED
                        gone.failures.single().error shouldContain "report 404 is gone"
                    }
                }
            }
        }

        context("enqueueing") {
            test("stores the jobs that the guide enqueues, and the worker of the guide does them") {
                TestDatabase.kittiwake().use { kittiwake ->
                    kittiwake.attach(db)
                    transaction(db) { SchemaUtils.create(Pictures) }
                    val counts = EventCounts()
                    working(imageWorker(kittiwake, counts)) {
                        val imported = kittiwake.ended(importPicture(db, "gull.jpg").id)
                        imported.ending shouldBe Ending.COMPLETED
                        imported.metadata shouldBe mapOf("source" to "upload")
                        imported.priority shouldBe 20
                        imported.result.shouldNotBeNull() shouldContain "640.png"
                        val many = thumbnailsOf(db, imageId = -1, widths = listOf(64, 320))
                        many.map { kittiwake.ended(it.id).priority } shouldContainExactly listOf(50, 10)
                        kittiwake.ended(register(db, "ben@example.org").id).ending shouldBe Ending.COMPLETED
                        val order = mailWithJdbc(kittiwake, TestDatabase.dataSource, "ben@example.org")
                        kittiwake.ended(order.id).ending shouldBe Ending.COMPLETED
                        val news = mailAll(kittiwake, listOf("a@example.org", "b@example.org"))
                        news.map { kittiwake.ended(it.id).ending } shouldContainExactly List(2) { Ending.COMPLETED }
                    }
                    counts["Completed"] shouldBe 7
                    counts["Started"] shouldBe 7
                }
            }

            test("puts off what is to run later, and calls it off") {
                TestDatabase.kittiwake().use { kittiwake ->
                    kittiwake.attach(db)
                    val later = listOf(remindLater(db).id, mailTomorrow(kittiwake, "ana@example.org").id)
                    for (id in later) {
                        kittiwake.find(id).shouldNotBeNull().state.shouldBeInstanceOf<JobState.Scheduled>()
                        callOff(kittiwake, id) shouldStartWith "cancelled; it was scheduled"
                        callOff(kittiwake, id) shouldStartWith "too late: CANCELLED"
                    }
                    callOff(kittiwake, JobId(-1)) shouldBe "there is no job -1"
                }
            }

            test("plain SQL enqueues by the function of the guide") {
                TestDatabase.kittiwake().use { kittiwake ->
                    val args = "{\"to\":\"a@b.c\",\"subject\":\"Hi\"}"
                    val id = JobId(number("select ${kittiwake.schema}.enqueue('mail.send', '$args', queue => 'mail')"))
                    execute("insert into ${kittiwake.schema}.job (name, args) values ('mail', '$args')")
                    working(imageWorker(kittiwake, EventCounts())) {
                        kittiwake.ended(id).ending shouldBe Ending.COMPLETED
                    }
                    number("select count(*) from ${kittiwake.schema}.jobs where name = 'mail'") shouldBe 1
                }
            }
        }

        context("handlers in a transaction") {
            test("commit their rows, their jobs and the completion as one, and a savepoint undoes only itself") {
                TestDatabase.kittiwake().use { kittiwake ->
                    kittiwake.attach(db)
                    transaction(db) {
                        SchemaUtils.create(Ledger)
                        Ledger.deleteAll()
                        Ledger.insert {
                            it[orderId] = 1
                            it[cents] = 995
                        }
                    }
                    working(ledgerWorker(kittiwake, db)) {
                        val jobs = transaction(db) { listOf(1L, 2L).map { book.enqueue(BookArgs(it, 1250)) } }
                        jobs.map { kittiwake.ended(it.id).ending } shouldContainExactly List(2) { Ending.COMPLETED }
                    }
                    transaction(db) { Ledger.selectAll().associate { it[Ledger.orderId] to it[Ledger.cents] } } shouldBe
                        mapOf(1L to 995L, 2L to 1250L)
                    number("select count(*) from ${kittiwake.schema}.jobs where parent_id is not null") shouldBe 2
                }
            }

            test("do so on JDBC, and for rows that Exposed writes on watched connections") {
                TestDatabase.kittiwake().use { kittiwake ->
                    val watched = watchedDatabase(TestDatabase.dataSource).also { kittiwake.attach(it) }
                    transaction(watched) {
                        SchemaUtils.create(Ledger)
                        Ledger.deleteAll()
                    }
                    val onJdbc = jdbcLedgerWorker(kittiwake, TestDatabase.dataSource)
                    for (worker in listOf(onJdbc, ledgerWorker(kittiwake, watched))) {
                        working(worker) {
                            val job = transaction(watched) { book.enqueue(BookArgs(Ledger.selectAll().count(), 1250)) }
                            kittiwake.ended(job.id).ending shouldBe Ending.COMPLETED
                        }
                    }
                    transaction(watched) { Ledger.selectAll().map { it[Ledger.orderId] } } shouldBe listOf(0L, 1L)
                    number("select count(*) from ${kittiwake.schema}.jobs where parent_id is not null") shouldBe 2
                }
            }
        }

        context("operating") {
            test("a queue behind a pooler does its jobs") {
                val schema = TestDatabase.kittiwake().use { it.schema }
                connectBehindPooler(TestDatabase.dataSource, schema).use { kittiwake ->
                    working(imageWorker(kittiwake, EventCounts())) {
                        val job = kittiwake.submit(mail, MailArgs("ana@example.org", "Hi"))
                        kittiwake.ended(job.id).ending shouldBe Ending.COMPLETED
                    }
                }
            }

            test("the roles of the guide are given what they need") {
                execute("create role shop_web; create role shop_worker")
                TestDatabase.kittiwake().use { kittiwake ->
                    TestDatabase.connect { migrateAndGrant(kittiwake, it) }
                    execute("set role shop_web; select ${kittiwake.schema}.enqueue('mail')")
                    val left = "select count(*) from ${kittiwake.schema}.ready"
                    number(left) shouldBe 1
                    execute("set role shop_worker; delete from ${kittiwake.schema}.ready")
                    number(left) shouldBe 0
                }
                for (role in listOf("shop_web", "shop_worker")) execute("drop owned by $role; drop role $role")
            }
        }

        test("a worker process works until it is told to stop") {
            TestDatabase.kittiwake().use { kittiwake ->
                val worker = kittiwake.worker {
                    queue("mail")
                    jobs(mail)
                    heartbeatEvery = 1.seconds
                }
                val process = Thread { workUntilShutdown(worker) }.also { it.start() }
                val job = kittiwake.submit(mail, MailArgs("ana@example.org", "Hi"))
                kittiwake.ended(job.id).ending shouldBe Ending.COMPLETED
                execute("update ${kittiwake.schema}.worker set stop_requested_at = now()")
                process.join()
            }
        }
    })

private fun execute(sql: String) {
    TestDatabase.connect { connection -> connection.createStatement().use { it.execute(sql) } }
}

private fun number(sql: String): Long = TestDatabase.connect { connection ->
    connection.createStatement().use { statement ->
        statement.executeQuery(sql).use { rows ->
            rows.next()
            rows.getLong(1)
        }
    }
}

private suspend fun working(worker: Worker, block: suspend CoroutineScope.() -> Unit) = coroutineScope {
    val running = launch { worker.run() }
    block()
    running.cancelAndJoin()
}

private suspend fun Kittiwake.ended(id: JobId): JobSnapshot = awaitEnd(id).shouldNotBeNull()

private val JobSnapshot.ending: Ending get() = state.shouldBeInstanceOf<JobState.Ended>().ending

private object ScriptedReports : Reports {
    override suspend fun isReady(id: Long) = true

    override suspend fun exists(id: Long) = id != 404L

    override suspend fun page(id: Long, number: Int) = "page $number"

    override fun write(id: Long, pages: List<String>) = "$id of ${pages.size}"

    override fun removeLeftovers(id: Long) = Unit
}
