package kittiwake.postgres.statement

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.KittiwakeSpi
import kittiwake.postgres.Kittiwake
import kittiwake.postgres.Schema
import kittiwake.store.Completion
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.aWorkerOf
import kittiwake.testing.images
import java.sql.SQLException
import kotlin.time.Duration

@OptIn(KittiwakeSpi::class)
class ForgetJobsSpec :
    FunSpec({
        /** Three jobs that are in one lease of a worker, as they have ended. */
        suspend fun Kittiwake.ended() = aWorkerOf(store).let { worker ->
            store.insert(List(3) { aJob() })
            worker to store.claim(worker, images, 3).map { Completion.Succeeded(it, Duration.ZERO, null) }
        }

        fun Kittiwake.jobs() = TestDatabase.count(this, "job")

        test("takes all that is left of a lease that is used up, and the lease") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val (worker, ended) = kittiwake.ended()
            val forget = ForgetJobs(Schema(kittiwake.schema))
            TestDatabase.connect { connection ->
                forget.execute(connection, worker, ended.take(1), emptied = emptySet()).shouldBeEmpty()
                kittiwake.jobs() shouldBe 2
                val lease = ended.first().claim.lease
                forget.execute(connection, worker, ended.drop(1), emptied = setOf(lease)).shouldBeEmpty()
            }
            kittiwake.jobs() shouldBe 0
            TestDatabase.count(kittiwake, "lease") shouldBe 0
        }

        test("takes nothing when a lease that is said to be used up holds a job that nobody has ended") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val (worker, ended) = kittiwake.ended()
            val forget = ForgetJobs(Schema(kittiwake.schema))
            TestDatabase.connect { connection ->
                shouldThrow<SQLException> {
                    forget.execute(connection, worker, ended.take(2), emptied = setOf(ended.first().claim.lease))
                }.message shouldContain "leases said to be used up hold 3 jobs"
            }
            kittiwake.jobs() shouldBe 3
            TestDatabase.count(kittiwake, "lease") shouldBe 1
        }

        test("names those of a lease that is used up which are no longer this worker's") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val (worker, ended) = kittiwake.ended()
            kittiwake.store.cancel(ended.last().claim.id)
            TestDatabase.connect { connection ->
                ForgetJobs(Schema(kittiwake.schema))
                    .execute(connection, worker, ended, emptied = setOf(ended.first().claim.lease))
                    .map { it.claim.id } shouldBe listOf(ended.last().claim.id)
            }
            kittiwake.jobs() shouldBe 0
        }

        test("takes nothing of a lease that was taken away") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val (worker, ended) = kittiwake.ended()
            kittiwake.store.rescue(silentFor = Duration.ZERO, limit = 10)
            TestDatabase.connect { connection ->
                ForgetJobs(Schema(kittiwake.schema))
                    .execute(connection, worker, ended, emptied = setOf(ended.first().claim.lease))
                    .size shouldBe 3
            }
            kittiwake.jobs() shouldBe 3
        }
    })
