package kittiwake.testing

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.factory.TestFactory
import io.kotest.core.spec.style.funSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContain
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.ints.shouldBeLessThanOrEqual
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.shouldNotBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.job.Ending
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.store.Cancellation
import kittiwake.store.JobStore
import kotlin.time.Clock
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.microseconds
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant

/**
 * What every job store must do, by example: include it in a spec of yours, with a function that makes an empty store.
 *
 * `clockOf` is an instant that the store takes for now, for expected times; only their order matters.
 */
@OptIn(KittiwakeSpi::class)
fun jobStoreContract(newStore: suspend () -> JobStore): TestFactory = funSpec {
    suspend fun JobStore.stateOf(id: JobId) = find(id).shouldNotBeNull().state

    suspend fun JobStore.endingOf(id: JobId) = stateOf(id).shouldBeInstanceOf<JobState.Ended>().ending

    context("insert") {
        test("makes a job ready, with everything that was said of it") {
            val store = newStore()
            val parent = store.insertOne()
            val id =
                store.insertOne(
                    aJob(
                        "mail.send", priority = 3, args = """{"to":"ana"}""", maxAttempts = 4,
                        parent = parent, metadata = """{"k":"v"}""",
                    ),
                )
            val job = store.find(id).shouldNotBeNull()
            job.state shouldBe JobState.Ready
            job.name.value shouldBe "mail.send"
            job.priority shouldBe 3
            job.args shouldBe """{"to":"ana"}"""
            job.maxAttempts shouldBe 4
            job.attempts shouldBe 0
            job.parent shouldBe parent
            job.metadata shouldBe mapOf("k" to "v")
        }
        test("answers in order, with growing numbers") {
            val inserted = newStore().insert(List(50) { aJob(args = "$it") }).map { it.id.value }
            inserted shouldBe inserted.sorted()
            inserted.distinct() shouldHaveSize 50
        }
        test("of nothing is nothing") {
            newStore().insert(emptyList()).shouldBeEmpty()
        }
        test("with a key that an unfinished job of the name has answers with that job, and keeps its args") {
            val store = newStore()
            val first = store.insertOne(aJob(args = "1", uniqueKey = "k"))
            val (again, other, unkeyed) =
                store.insert(listOf(aJob(args = "2", uniqueKey = "k"), aJob("other", uniqueKey = "k"), aJob()))
            again.id shouldBe first
            again.isNew shouldBe false
            other.isNew shouldBe true
            unkeyed.isNew shouldBe true
            store.find(first)?.args shouldBe "1"
        }
        test("of the same key twice at once makes one job") {
            val (first, second) = newStore().insert(listOf(aJob(uniqueKey = "k"), aJob(uniqueKey = "k")))
            first.isNew shouldBe true
            second.isNew shouldBe false
            second.id shouldBe first.id
        }
        test("with the key of an ended job makes a new one") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val first = store.insertOne(aJob(uniqueKey = "k"))
            store.end(ana, listOf(succeeded(store.oneClaimedBy(ana))))
            store.insert(listOf(aJob(uniqueKey = "k"))).single().id shouldNotBe first
        }
    }

    context("claim") {
        test("takes no more than it is asked for, and each job once") {
            val store = newStore()
            val (ana, ben) = listOf(aWorkerOf(store), aWorkerOf(store))
            val ids = store.insert(List(5) { aJob() }).map { it.id }
            store.claim(ana, images, 3).map { it.id } shouldContainExactly ids.take(3)
            store.claim(ben, images, 3).map { it.id } shouldContainExactly ids.drop(3)
            store.claim(ana, images, 3).shouldBeEmpty()
        }
        test("takes many at a time, claim after claim while there are more") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val ids = store.insert(List(350) { aJob() }).map { it.id }
            val claims = List(5) { store.claim(ana, images, 100) }
            claims.map { it.size } shouldContainExactly listOf(100, 100, 100, 50, 0)
            claims.flatten().map { it.id } shouldContainExactly ids
            store.end(ana, claims.flatten().map { succeeded(it) }).shouldBeEmpty()
            store.claim(ana, images, 100).shouldBeEmpty()
        }
        test("goes by priority, then by expected time, unset last, then by the order of insert") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val now = Clock.System.now()

            suspend fun insert(priority: Int, expectedIn: Int? = null) =
                store.insertOne(aJob(priority = priority, expectedAt = expectedIn?.let { now + it.seconds }))

            val plain = insert(0)
            val soon = insert(0, 10)
            val sooner = insert(0, 5)
            val urgent = insert(7)
            val urgentLater = insert(7, 100)
            val idle = insert(-3)
            val plainToo = insert(0)
            val order = listOf(urgentLater, urgent, sooner, soon, plain, plainToo, idle)
            order.map { store.oneClaimedBy(ana).id } shouldContainExactly order
        }
        test("in one batch goes by the same order") {
            val store = newStore()
            val ids = listOf(0, 5, -5, 5, 0).map { store.insertOne(aJob(priority = it)) }
            val claimed = store.claim(aWorkerOf(store), images, 10).map { it.id }
            claimed shouldContainExactly listOf(1, 3, 0, 4, 2).map(ids::get)
        }
        test("finds a more urgent job that came after others were claimed") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.insert(List(4) { aJob() })
            store.claim(ana, images, 2)
            val urgent = store.insertOne(aJob(priority = 9))
            val lazy = store.insertOne(aJob(priority = -9))
            store.oneClaimedBy(ana).id shouldBe urgent
            store.claim(ana, images, 2) shouldHaveSize 2
            store.oneClaimedBy(ana).id shouldBe lazy
        }
        test("finds a job with an expected time earlier than those already claimed") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val now = Clock.System.now()
            store.insert(List(3) { aJob(expectedAt = now + 10.seconds) } + aJob())
            store.claim(ana, images, 2)
            val early = store.insertOne(aJob(expectedAt = now))
            store.oneClaimedBy(ana).id shouldBe early
            store.claim(ana, images, 9) shouldHaveSize 2
        }
        test("counts the attempt and tells all about the job") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne(aJob(args = "[1]", priority = 2, maxAttempts = 7, metadata = """{"a":"b"}"""))
            val claim = store.oneClaimedBy(ana)
            claim.id shouldBe id
            claim.attempt shouldBe 1
            claim.worker shouldBe ana
            claim.name shouldBe "resize"
            claim.args shouldBe "[1]"
            claim.priority shouldBe 2
            claim.maxAttempts shouldBe 7
            claim.metadata shouldBe """{"a":"b"}"""
            val running = store.stateOf(id).shouldBeInstanceOf<JobState.Running>()
            running.worker shouldBe ana
            running.attempt shouldBe 1
        }
        test("looks into its queue only, whatever its name") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val strange = QueueName("中文 !@#\$%^&*(()-_ \"quoted\"; drop table job")
            val id = store.insertOne(aJob(queue = strange))
            store.insertOne()
            store.claim(ana, strange, 5).map { it.id } shouldContainExactly listOf(id)
        }
        test("gives nothing to a worker that has left") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.insertOne()
            store.leave(ana)
            store.claim(ana, images, 1).shouldBeEmpty()
        }
    }

    context("look") {
        test("names the queue of a job that is ready or falls due in time, as long as nobody took it") {
            val store = newStore()
            val ana = aWorkerOf(store)

            suspend fun looked() = store.look(ana, setOf(images, QueueName("mails")), within = 10.seconds)
            repeat(2) {
                store.insertOne()
                repeat(2) { looked() shouldContain images }
                store.oneClaimedBy(ana)
            }
            store.insertOne(aJob(delay = 5.seconds))
            repeat(2) { looked() shouldContain images }
        }
    }

    context("end") {
        test("completes the job with its result and frees its claim") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne()
            store.end(ana, listOf(succeeded(store.oneClaimedBy(ana), """{"ok":true}"""))).shouldBeEmpty()
            store.endingOf(id) shouldBe Ending.COMPLETED
            store.find(id)?.result shouldBe """{"ok":true}"""
            store.claim(ana, images, 1).shouldBeEmpty()
        }
        test("discards the job with its error and its earlier failures") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne()
            store.putBack(ana, listOf(failed(store.oneClaimedBy(ana)))).shouldBeEmpty()
            store.end(ana, listOf(discarded(store.oneClaimedBy(ana)))).shouldBeEmpty()
            store.endingOf(id) shouldBe Ending.DISCARDED
            val failures = store.find(id).shouldNotBeNull().failures
            failures.map { it.attempt } shouldContainExactly listOf(1, 2)
            failures.map { it.error } shouldContainExactly listOf("it broke", "no use")
        }
        test("ends a part of a batch, and the rest later") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.insert(List(5) { aJob() })
            val claims = store.claim(ana, images, 5)
            store.end(ana, claims.take(2).map { succeeded(it) }).shouldBeEmpty()
            store.putBack(ana, listOf(released(claims[2]))).shouldBeEmpty()
            store.end(ana, claims.drop(3).map { succeeded(it) }).shouldBeEmpty()
            store.oneClaimedBy(ana).id shouldBe claims[2].id
        }
        test("repeated after a lost answer writes nothing, and says that it is written") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne()
            val claim = store.oneClaimedBy(ana)
            store.end(ana, listOf(succeeded(claim, "1")))
            store.end(ana, listOf(succeeded(claim, "2"))).shouldBeEmpty()
            store.find(id)?.result shouldBe "1"
        }
        test("repeated again and again leaves the rest of its claim alone") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.insert(List(4) { aJob() })
            val claims = store.claim(ana, images, 4)
            repeat(3) { store.end(ana, listOf(succeeded(claims[0]))).shouldBeEmpty() }
            repeat(3) { store.putBack(ana, listOf(failed(claims[1], delay = 1.hours))).shouldBeEmpty() }
            store.end(ana, claims.drop(2).map { succeeded(it) }).shouldBeEmpty()
        }
        test("writes nothing for a claim that was rescued and taken by another worker") {
            val store = newStore()
            val (ana, ben) = listOf(aWorkerOf(store), aWorkerOf(store))
            val id = store.insertOne()
            val lost = store.oneClaimedBy(ana)
            store.rescue(silentFor = ZERO, limit = 10)
            val cleo = aWorkerOf(store)
            val taken = store.oneClaimedBy(cleo)
            store.end(ana, listOf(succeeded(lost, "ana"))) shouldBe setOf(id)
            store.putBack(ana, listOf(failed(lost))) shouldBe setOf(id)
            store.end(ben, listOf(succeeded(taken, "ben"))) shouldBe setOf(id)
            store.end(cleo, listOf(succeeded(taken, "cleo"))).shouldBeEmpty()
            store.find(id)?.result shouldBe "cleo"
        }
        test("leaves no trace of jobs that are not to be kept") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne(aJob(retention = Retention(ZERO, ZERO)))
            store.end(ana, listOf(succeeded(store.oneClaimedBy(ana)))).shouldBeEmpty()
            store.prune(emptySet())
            store.find(id).shouldBeNull()
        }
    }

    context("put back") {
        test("a failure makes the job wait, keeps the error and counts the attempt") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne()
            store.putBack(ana, listOf(failed(store.oneClaimedBy(ana), delay = 1.hours))).shouldBeEmpty()
            val job = store.find(id).shouldNotBeNull()
            job.state.shouldBeInstanceOf<JobState.Scheduled>()
            job.attempts shouldBe 1
            job.failures.single().error shouldBe "it broke"
            store.claim(ana, images, 1).shouldBeEmpty()
        }
        test("a snooze does not count the attempt") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.insertOne()
            store.putBack(ana, listOf(snoozed(store.oneClaimedBy(ana), ZERO)))
            store.oneClaimedBy(ana).attempt shouldBe 1
        }
        test("a release does not count the attempt, and the job is there at once") {
            val store = newStore()
            val (ana, ben) = listOf(aWorkerOf(store), aWorkerOf(store))
            store.insertOne()
            store.putBack(ana, listOf(released(store.oneClaimedBy(ana))))
            store.oneClaimedBy(ben).attempt shouldBe 1
        }
        test("of several at once keeps the order of their enqueue, behind what waits already") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val ids = store.insert(List(3) { aJob() }).map { it.id }
            val claims = store.claim(ana, images, 3)
            val waiting = store.insertOne()
            store.putBack(ana, claims.reversed().map { failed(it) })
            store.claim(ana, images, 4).map { it.id } shouldContainExactly listOf(waiting) + ids
        }
        test("of what is released goes back to the head, behind expected times, in the order of the enqueue") {
            val store = newStore()
            val (ana, ben) = listOf(aWorkerOf(store), aWorkerOf(store))
            val ids = store.insert(List(4) { aJob() }).map { it.id }
            val claims = store.claim(ana, images, 3)
            val later = store.insertOne()
            store.oneClaimedBy(ben).id shouldBe ids.last()
            store.putBack(ana, claims.drop(1).reversed().map(::released))
            store.putBack(ana, claims.take(1).map(::released))
            val expected = store.insertOne(aJob(expectedAt = Clock.System.now()))
            store.claim(ben, images, 9).map { it.id } shouldContainExactly listOf(expected) + ids.take(3) + later
        }
        test("repeated after a lost answer counts the failure once, and says that it is written") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne()
            val failure = failed(store.oneClaimedBy(ana), delay = 1.hours)
            repeat(2) { store.putBack(ana, listOf(failure)).shouldBeEmpty() }
            store.find(id)?.failures?.map { it.attempt } shouldBe listOf(1)
        }
        test("keeps priority and expected time") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val urgent = store.insertOne(aJob(priority = 5))
            store.putBack(ana, listOf(failed(store.oneClaimedBy(ana))))
            store.insertOne()
            store.oneClaimedBy(ana).id shouldBe urgent
        }
    }

    context("promote") {
        test("makes due jobs ready and says when the next is due") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.insertOne(aJob(delay = 1.hours))
            store.claim(ana, images, 1).shouldBeEmpty()
            val promotion = store.promote(images, 10)
            promotion.moved shouldBe 0
            val wait = promotion.nextDueIn.shouldNotBeNull()
            (wait > 59.minutes && wait <= 1.hours) shouldBe true
        }
        test("knows of nothing when nothing waits") {
            newStore().promote(images, 10).nextDueIn.shouldBeNull()
        }
        test("a time in the past is now") {
            val store = newStore()
            val id = store.insertOne(aJob(runAt = Instant.parse("2020-01-01T00:00:00Z")))
            store.oneClaimedBy(aWorkerOf(store)).id shouldBe id
        }
    }

    context("beat") {
        test("keeps a silent worker alive as long as nobody took its jobs") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.insertOne()
            store.oneClaimedBy(ana)
            store.beat(ana, emptySet()).alive shouldBe true
            store.rescue(silentFor = 1.hours, limit = 10).shouldBeEmpty()
            store.rescue(silentFor = ZERO, limit = 10) shouldHaveSize 1
            store.beat(ana, emptySet()).alive shouldBe false
        }
        test("of a worker that joins again after it left finds it dead still") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.leave(ana)
            store.join(ana, "a worker", setOf(images))
            store.beat(ana, emptySet()).alive shouldBe false
        }
        test("of a worker that never joined finds it dead") {
            newStore().beat(aStranger(), emptySet()).alive shouldBe false
        }
        test("tells a worker that it should stop") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.beat(ana, emptySet()).stopRequested shouldBe false
            store.stop(ana) shouldBe true
            store.beat(ana, emptySet()).stopRequested shouldBe true
            store.leave(ana)
            store.stop(ana) shouldBe false
        }
    }

    context("rescue") {
        test("gives back what a silent worker held, with the attempt counted") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne()
            store.oneClaimedBy(ana)
            val rescued = store.rescue(silentFor = ZERO, limit = 10).single()
            rescued.id shouldBe id
            rescued.attempt shouldBe 1
            rescued.discarded shouldBe false
            store.oneClaimedBy(aWorkerOf(store)).attempt shouldBe 2
            store.find(id)?.failures?.single()?.error.shouldNotBeNull() shouldContain "silent"
        }
        test("leaves a worker its own lease, whatever that of the rescuer is") {
            val store = newStore()
            val (patient, hasty) = listOf(1.hours, ZERO).map { lease ->
                WorkerId.random().also { store.join(it, "a worker", setOf(images), lease) }
            }
            store.insert(List(2) { aJob() })
            val kept = store.oneClaimedBy(patient)
            val lost = store.oneClaimedBy(hasty)
            store.rescue(silentFor = null, limit = 10).single().id shouldBe lost.id
            store.end(patient, listOf(succeeded(kept))).shouldBeEmpty()
        }
        test("for a worker waits as long as that one's own lease") {
            val store = newStore()
            val (patient, hasty) = listOf(1.hours, 1.microseconds).map { lease ->
                WorkerId.random().also { store.join(it, "a worker", setOf(images), lease) }
            }
            store.insertOne()
            val kept = store.oneClaimedBy(hasty)
            store.rescue(silentFor = null, limit = 10, by = patient).shouldBeEmpty()
            store.end(hasty, listOf(succeeded(kept))).shouldBeEmpty()
        }
        test("for a worker that has been silent itself ends nobody") {
            val store = newStore()
            val (late, other) = List(2) {
                WorkerId.random().also { store.join(it, "a worker", setOf(images), 1.microseconds) }
            }
            store.insertOne()
            val kept = store.oneClaimedBy(other)
            store.rescue(silentFor = null, limit = 10, by = late).shouldBeEmpty()
            store.rescue(silentFor = null, limit = 10, by = WorkerId.random()).shouldBeEmpty()
            store.end(other, listOf(succeeded(kept))).shouldBeEmpty()
        }
        test("discards a job that used up its attempts") {
            val store = newStore()
            val id = store.insertOne(aJob(maxAttempts = 2))
            repeat(2) {
                store.oneClaimedBy(aWorkerOf(store))
                store.rescue(silentFor = ZERO, limit = 10)
            }
            store.endingOf(id) shouldBe Ending.DISCARDED
            store.find(id)?.failures?.size shouldBe 2
            store.claim(aWorkerOf(store), images, 1).shouldBeEmpty()
        }
        test("leaves ended jobs of a batch in peace") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.insert(List(3) { aJob() })
            val claims = store.claim(ana, images, 3)
            store.end(ana, listOf(succeeded(claims[0])))
            val rescued = store.rescue(silentFor = ZERO, limit = 10)
            rescued.map { it.id }.toSet() shouldBe claims.drop(1).map { it.id }.toSet()
            store.endingOf(claims[0].id) shouldBe Ending.COMPLETED
        }
    }

    context("leave") {
        test("gives everything back at no cost of an attempt") {
            val store = newStore()
            val ana = aWorkerOf(store)
            store.insert(List(3) { aJob() })
            store.claim(ana, images, 2)
            store.leave(ana)
            store.claim(aWorkerOf(store), images, 5).map { it.attempt } shouldContainExactly listOf(1, 1, 1)
        }
        test("puts what it gives back at the head, in the order of the enqueue") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val ids = store.insert(List(3) { aJob() }).map { it.id }
            store.claim(ana, images, 3)
            val later = store.insertOne()
            store.leave(ana)
            store.claim(aWorkerOf(store), images, 5).map { it.id } shouldContainExactly ids + later
        }
    }

    context("cancel") {
        test("ends a waiting job, which then never starts") {
            val store = newStore()
            val (now, later) = store.insert(listOf(aJob(), aJob(delay = 10.milliseconds))).map { it.id }
            store.cancel(now) shouldBe Cancellation.Cancelled
            store.cancel(later) shouldBe Cancellation.Cancelled
            store.endingOf(now) shouldBe Ending.CANCELLED
            store.claim(aWorkerOf(store), images, 5).shouldBeEmpty()
            store.promote(images, 5).nextDueIn.shouldBeNull()
        }
        test("of a running job takes from its worker the right to write, and tells it") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne()
            val claim = store.oneClaimedBy(ana)
            store.cancel(id) shouldBe Cancellation.Cancelled
            store.beat(ana, setOf(id)).cancelled shouldBe setOf(id)
            store.end(ana, listOf(succeeded(claim))) shouldBe setOf(id)
            store.putBack(ana, listOf(failed(claim))) shouldBe setOf(id)
            store.rescue(ZERO, 10).shouldBeEmpty()
            store.endingOf(id) shouldBe Ending.CANCELLED
        }
        test("counts the attempts that have begun") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val (running, retried) = store.insert(List(2) { aJob() }).map { it.id }
            val claims = store.claim(ana, images, 2)
            store.putBack(ana, listOf(failed(claims[1], delay = 1.hours)))
            listOf(running, retried).forEach { store.cancel(it) }
            store.find(running)?.attempts shouldBe 1
            store.find(retried)?.attempts shouldBe 1
        }
        test("of an ended job says how it ended") {
            val store = newStore()
            val ana = aWorkerOf(store)
            val id = store.insertOne()
            store.end(ana, listOf(succeeded(store.oneClaimedBy(ana))))
            store.cancel(id).shouldBeInstanceOf<Cancellation.AlreadyEnded>().ending shouldBe Ending.COMPLETED
        }
        test("of an unknown job says so") {
            newStore().cancel(JobId(987_654_321)) shouldBe Cancellation.NotFound
        }
        test("frees the unique key") {
            val store = newStore()
            val id = store.insertOne(aJob(uniqueKey = "k"))
            store.cancel(id)
            store.insert(listOf(aJob(uniqueKey = "k"))).single().isNew shouldBe true
        }
    }

    context("turns") {
        test("are taken by one caller in each period") {
            val store = newStore()
            store.takeTurn("rescue", 1.days) shouldBe true
            store.takeTurn("rescue", 1.days) shouldBe false
            store.takeTurn("prune", 1.days) shouldBe true
        }
    }
}

private fun aStranger(): WorkerId = WorkerId.random()
