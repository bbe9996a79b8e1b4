package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.Retention
import kittiwake.postgres.statement.Claim
import kittiwake.postgres.statement.ClaimJobs
import kittiwake.postgres.statement.ReadJobs
import kittiwake.postgres.statement.TakeTickets
import kittiwake.store.Completion
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.aWorkerOf
import kittiwake.testing.images
import kittiwake.testing.insertOne
import java.sql.SQLException
import kotlin.time.Clock
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days

/** A claim in one statement and a claim in two steps are the same claim, and so is one that looks everywhere. */
@OptIn(KittiwakeSpi::class)
class ClaimFormsSpec :
    FunSpec({
        val lease = 4711L

        /** Jobs of all kinds that a claim may meet, those that failed before and one that was cancelled among them. */
        suspend fun Kittiwake.store() {
            for (name in listOf("failed", "crashed")) store.insertOne(aJob(name = name, priority = 9))
            val first = aWorkerOf(store)
            val failed = store.claim(first, images, 2).first()
            store.putBack(first, listOf(Completion.Failed(failed, ZERO, "oh no", ZERO)))
            store.rescue(silentFor = ZERO, limit = 10)
            store.insertOne(aJob(name = "later in its lane"))
            store.insertOne(aJob(name = "first in its lane", expectedAt = Clock.System.now()))
            store.insertOne(aJob(name = "urgent", priority = 5, args = """{"a":"ü"}""", maxAttempts = 3))
            store.insertOne(aJob(name = "child", parent = JobId(99), metadata = """{"tenant":"7"}"""))
            store.insertOne(aJob(name = "not kept", retention = Retention(completed = ZERO, failed = 1.days)))
            store.cancel(store.insertOne(aJob(name = "cancelled")))
        }

        fun ClaimedJob.facts() = listOf(
            id, lease, attempt, name, queue, priority, args, maxAttempts, parent, metadata, crashes, isArchived,
        )

        /** What is claimed in turn is rolled back, and claimed among rivals, who take what others had a hand on, too. */
        suspend fun Kittiwake.claims(retention: Retention): List<ClaimJobs.Result> {
            val claim = Claim(aWorkerOf(store), images, lease, limit = 100)
            val (names, everything) = Schema(schema) to ClaimBound().everything()
            return TestDatabase.connect { connection ->
                connection.autoCommit = false
                val inSteps =
                    listOf(false, true).map { isSweep ->
                        val taken = TakeTickets(names).execute(connection, claim, everything, isSweep)
                        val jobs = ReadJobs(names, retention).execute(connection, claim, taken.tickets)
                        connection.rollback()
                        ClaimJobs.Result(taken.snapshot, jobs, taken.tickets.map { it.place })
                    }
                val atOnce = ClaimJobs(names, retention).execute(connection, claim, everything)
                connection.rollback()
                inSteps + atOnce
            }
        }

        for (retention in listOf(Retention.Default, Retention(completed = ZERO, failed = 1.days))) {
            test("they bring the same jobs in the same order, by $retention") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                kittiwake.store()
                val (inTurn, swept, atOnce) = kittiwake.claims(retention)
                for (inSteps in listOf(inTurn, swept)) {
                    inSteps.jobs.map { it.facts() } shouldBe atOnce.jobs.map { it.facts() }
                    inSteps.jobs.map { it.enqueuedAt } shouldBe atOnce.jobs.map { it.enqueuedAt }
                    inSteps.places shouldBe atOnce.places
                }
                atOnce.jobs.map { it.name } shouldBe
                    listOf("failed", "crashed", "urgent", "first in its lane", "later in its lane", "child", "not kept")
                atOnce.jobs.map { it.attempt } shouldBe listOf(2, 2, 1, 1, 1, 1, 1)
            }
        }

        test("in turn is after one another, in whatever workers") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            kittiwake.store()
            val claim = Claim(aWorkerOf(kittiwake.store), images, lease, limit = 1)
            val (take, everything) = TakeTickets(Schema(kittiwake.schema)) to ClaimBound().everything()
            TestDatabase.connect { first ->
                first.autoCommit = false
                take.execute(first, claim, everything, isSweep = false).tickets.size shouldBe 1
                TestDatabase.connect { second ->
                    for (isSweep in listOf(false, true)) {
                        shouldThrow<SQLException> { take.execute(second, claim, everything, isSweep) }
                            .sqlState shouldBe "55P03"
                    }
                    first.rollback()
                    take.execute(second, claim, everything, isSweep = false).tickets.size shouldBe 1
                }
            }
        }
    })

private val ZERO = Duration.ZERO
