package kittiwake.testing

import io.kotest.core.factory.TestFactory
import io.kotest.core.spec.style.funSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.store.JobStore
import kittiwake.store.Rescued
import kotlin.time.Duration.Companion.ZERO

/** A part of the contract of job stores: who is to blame when a worker falls silent, and what comes of it. */
@OptIn(KittiwakeSpi::class)
fun crashContract(newStore: suspend (crashLimit: Int?) -> JobStore): TestFactory = funSpec {
    /** All workers fall silent. */
    suspend fun JobStore.crash(limit: Int = 100): List<Rescued> = rescue(silentFor = ZERO, limit)

    /** What a new worker holds that takes all there is. */
    suspend fun JobStore.claimAll(): Map<JobId, ClaimedJob> = claim(aWorkerOf(this), images, 100).associateBy { it.id }

    suspend fun JobStore.crashesOfAll(): Map<JobId, Int> = claimAll().mapValues { it.value.crashes }

    suspend fun JobStore.someSuspects(count: Int): List<JobId> = insert(List(count) { aJob() }).map { it.id }.also {
        repeat(2) {
            claimAll()
            crash()
        }
    }

    suspend fun JobStore.aSuspect(): JobId = someSuspects(1).single()

    suspend fun JobStore.endingOf(id: JobId) =
        find(id).shouldNotBeNull().state.shouldBeInstanceOf<JobState.Ended>().ending

    context("a crash") {
        test("is put down to all that were aboard when none of them is suspect") {
            val store = newStore(3)
            val ids = store.insert(List(2) { aJob() }).map { it.id }
            store.crashesOfAll() shouldBe ids.associateWith { 0 }
            store.crash()
            store.crashesOfAll() shouldBe ids.associateWith { 1 }
            store.crash()
            val claims = store.claimAll().values
            claims.map { it.crashes } shouldContainExactly listOf(2, 2)
            claims.map { it.isSuspect } shouldContainExactly listOf(true, true)
        }
        test("is not put down to jobs that failed, ended, were put off or given back before it") {
            val store = newStore(3)
            val ana = aWorkerOf(store)
            store.insert(List(4) { aJob() })
            val (failed, ended, snoozed, released) = store.claim(ana, images, 4)
            store.putBack(ana, listOf(failed(failed), snoozed(snoozed, ZERO), released(released)))
            store.end(ana, listOf(succeeded(ended)))
            store.crash().shouldBeEmpty()
            store.crashesOfAll() shouldBe listOf(failed, snoozed, released).associate { it.id to 0 }
        }
        test("is put down to the suspect that was announced, and to nobody beside it") {
            val store = newStore(null)
            val (culprit, waiting) = store.someSuspects(2)
            val newcomer = store.insertOne()
            store.announce(store.claimAll().getValue(culprit)) shouldBe true
            store.crash()
            store.crashesOfAll() shouldBe mapOf(culprit to 3, waiting to 2, newcomer to 0)
        }
        test("is not put down to suspects that waited for their turn") {
            val store = newStore(3)
            val suspect = store.aSuspect()
            val newcomer = store.insertOne()
            store.claimAll()
            store.crash()
            store.crashesOfAll() shouldBe mapOf(suspect to 2, newcomer to 1)
        }
        test("is put down to the suspect announced last") {
            val store = newStore(null)
            val (first, second) = store.someSuspects(2)
            val claims = store.claimAll()
            store.announce(claims.getValue(first))
            store.announce(claims.getValue(second))
            store.crash()
            store.crashesOfAll() shouldBe mapOf(first to 2, second to 3)
        }
        test("is put down to the suspect announced last, though the one before is still aboard in another claim") {
            val store = newStore(null)
            val (first, second) = store.someSuspects(2)
            val ana = aWorkerOf(store)
            List(2) { store.oneClaimedBy(ana) }.forEach { store.announce(it) shouldBe true }
            store.crash()
            store.crashesOfAll() shouldBe mapOf(first to 2, second to 3)
        }
        test("is put down to the others when the suspect had ended before") {
            val store = newStore(3)
            val suspect = store.aSuspect()
            val newcomer = store.insertOne()
            val claim = store.claimAll().getValue(suspect)
            store.announce(claim)
            store.end(claim.worker, listOf(succeeded(claim))).shouldBeEmpty()
            store.crash()
            store.crashesOfAll() shouldBe mapOf(newcomer to 1)
        }
        test("is put down to the others when the suspect had gone back, even if it was claimed again") {
            val store = newStore(3)
            val suspect = store.aSuspect()
            val newcomer = store.insertOne()
            val claim = store.claimAll().getValue(suspect)
            store.announce(claim)
            store.putBack(claim.worker, listOf(failed(claim))).shouldBeEmpty()
            store.oneClaimedBy(claim.worker).id shouldBe suspect
            store.crash()
            store.crashesOfAll() shouldBe mapOf(suspect to 2, newcomer to 1)
        }
        test("is put down to the same whether its claims are taken back at once or one by one") {
            val store = newStore(null)
            val suspect = store.aSuspect()
            val newcomers = store.insert(List(3) { aJob() }).map { it.id }
            val ana = aWorkerOf(store)
            val claims = List(4) { store.oneClaimedBy(ana) }
            store.announce(claims.single { it.id == suspect })
            List(4) { store.crash(limit = 1).single().id }.toSet() shouldBe newcomers.toSet() + suspect
            store.crashesOfAll() shouldBe newcomers.associateWith { 0 } + (suspect to 3)
        }
        test("is none when the worker had been asked to stop: its attempts count, and nobody is to blame") {
            val store = newStore(3)
            val id = store.insertOne()
            val claim = store.claimAll().getValue(id)
            store.stop(claim.worker) shouldBe true
            store.crash().single().attempt shouldBe 1
            store.crashesOfAll() shouldBe mapOf(id to 0)
        }
        test("is none when the worker left and gave back what it held") {
            val store = newStore(3)
            val id = store.insertOne()
            val claim = store.claimAll().getValue(id)
            store.leave(claim.worker)
            store.crash().shouldBeEmpty()
            store.crashesOfAll() shouldBe mapOf(id to 0)
        }
    }

    context("the crash limit") {
        test("ends the job that is to blame, with attempts left, and says why") {
            val store = newStore(3)
            val (culprit, bystander) = store.someSuspects(2)
            store.announce(store.claimAll().getValue(culprit))
            store.crash().filter { it.discarded }.map { it.id } shouldContainExactly listOf(culprit)
            store.endingOf(culprit) shouldBe Ending.DISCARDED
            val failures = store.find(culprit).shouldNotBeNull().failures
            failures shouldHaveSize 3
            failures.last().error shouldContain "3 such crashes"
            store.crashesOfAll() shouldBe mapOf(bystander to 2)
        }
        test("is no limit when there is none") {
            val store = newStore(null)
            val id = store.aSuspect()
            repeat(3) {
                store.announce(store.claimAll().getValue(id))
                store.crash().single().discarded shouldBe false
            }
            store.crashesOfAll() shouldBe mapOf(id to 5)
        }
        test("leaves a job that nobody blames to its attempts") {
            val store = newStore(3)
            val (culprit, bystander) = store.insert(List(2) { aJob(maxAttempts = 3) }).map { it.id }
            repeat(2) {
                store.claimAll()
                store.crash()
            }
            store.announce(store.claimAll().getValue(culprit))
            store.crash().map { it.discarded } shouldContainExactly listOf(true, true)
            store.find(bystander)!!.failures.last().error shouldContain "killed or lost the database"
        }
    }

    context("announce") {
        test("refuses a claim that is lost") {
            val store = newStore(3)
            store.insertOne()
            val lost = store.claimAll().values.single()
            store.crash()
            store.announce(lost) shouldBe false
            store.announce(store.claimAll().values.single()) shouldBe true
        }
        test("refuses a job that was cancelled") {
            val store = newStore(3)
            store.insertOne()
            val claim = store.claimAll().values.single()
            store.cancel(claim.id)
            store.announce(claim) shouldBe false
        }
    }
}
