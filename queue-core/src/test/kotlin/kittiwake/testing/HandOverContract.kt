package kittiwake.testing

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.factory.TestFactory
import io.kotest.core.spec.style.funSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.JobStore
import kittiwake.store.Wakeups
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.seconds

/** A worker as the store knows it that sleeps in [images], and keeps what it hears. */
@OptIn(KittiwakeSpi::class)
class Sleeper private constructor(val store: JobStore, val id: WorkerId, scope: CoroutineScope) : Wakeups.Ears {
    private val wakeups = store.wakeups(id, setOf(images))
    private val rung = MutableStateFlow(0)
    val handedOver = MutableStateFlow(emptyList<Long>())
    private val listening: Job = scope.launch(Dispatchers.Default, CoroutineStart.UNDISPATCHED) {
        wakeups
            .listen(this@Sleeper)
    }

    override fun ring(queue: QueueName?): Unit = rung.update { it + 1 }

    override fun handedOver(queue: QueueName, lease: Long) {
        queue shouldBe images
        handedOver.update { it + lease }
    }

    suspend fun offer(): Unit = wakeups.offer(images)

    /** It is told to look, and not only for what is handed over, in the course of [block]. */
    suspend fun isRungBy(block: suspend () -> Unit) {
        val before = rung.value
        block()
        withTimeout(20.seconds) { rung.first { it > before } }
    }

    suspend fun rise(): Unit = wakeups.busy(images)

    suspend fun sleepAgain() {
        wakeups.quiet(images)
        offer()
    }

    suspend fun look(): Unit = wakeups.lookForHandedOver()

    /** The leases that it has heard of when there are [count]. */
    suspend fun heard(count: Int = 1): List<Long> = withTimeout(20.seconds) { handedOver.first { it.size >= count } }

    /** It is gone without a word. */
    suspend fun vanish(): Unit = listening.cancelAndJoin()

    companion object {
        /** Runs [block] beside one that has made an offer, if it [offers]. */
        suspend fun of(store: JobStore, offers: Boolean = true, block: suspend Sleeper.() -> Unit) = coroutineScope {
            val sleeper = Sleeper(store, aWorkerOf(store), this)
            sleeper.rung.first { it > 0 || !store.rings }
            sleeper.wakeups.quiet(images)
            if (offers) sleeper.offer()
            sleeper.block()
            sleeper.vanish()
        }

        /** A store in memory has nothing to say at first. */
        private val JobStore.rings: Boolean get() = this !is InMemoryJobStore
    }
}

/** A part of the contract of job stores: what a sleeping worker offers, an enqueuer may hand a job over to. */
@OptIn(KittiwakeSpi::class)
fun handOverContract(newStore: suspend () -> JobStore): TestFactory = funSpec {
    context("a job that is handed over") {
        test("is claimed for its first attempt by who made the offer, and by nobody else") {
            Sleeper.of(newStore()) {
                val inserted = store.insert(listOf(aJob(args = "7", priority = 5, metadata = "{\"k\":\"v\"}"))).single()
                inserted.isHandedOver shouldBe true
                store.find(inserted.id).shouldNotBeNull().state.shouldBeInstanceOf<JobState.Running>().worker shouldBe
                    id
                store.claim(aWorkerOf(store), images, 10).shouldBeEmpty()
                val job = store.takeUp(id, images, heard().single()).shouldNotBeNull()
                (job.id to job.attempt) shouldBe (inserted.id to 1)
                (job.args to job.priority) shouldBe ("7" to 5)
                job.metadata shouldBe "{\"k\":\"v\"}"
                store.end(id, listOf(succeeded(job))).shouldBeEmpty()
                store.find(inserted.id).shouldNotBeNull().state.shouldBeInstanceOf<JobState.Ended>()
            }
        }
        test("takes the offer along: the next one waits in its queue, until there is another") {
            Sleeper.of(newStore()) {
                List(2) { store.insert(listOf(aJob())).single().isHandedOver } shouldContainExactly listOf(true, false)
                store.takeUp(id, images, heard().single())
                offer()
                store.insert(listOf(aJob())).single().isHandedOver shouldBe true
                heard(2)
                store.claim(id, images, 10).size shouldBe 1
            }
        }
        test("can be released at no cost, and is to be had by others then") {
            Sleeper.of(newStore()) {
                store.insertOne()
                val job = store.takeUp(id, images, heard().single()).shouldNotBeNull()
                store.putBack(id, listOf(released(job))).shouldBeEmpty()
                store.oneClaimedBy(aWorkerOf(store)).attempt shouldBe 1
            }
        }
        test("is not taken up once it is cancelled") {
            Sleeper.of(newStore()) {
                store.cancel(store.insertOne())
                store.takeUp(id, images, heard().single()).shouldBeNull()
            }
        }
        test("goes back to its queue at no cost when its worker takes up nothing any more") {
            Sleeper.of(newStore()) {
                store.insertOne()
                val lease = heard().single()
                store.returnHandedOver(id)
                store.takeUp(id, images, lease).shouldBeNull()
                store.oneClaimedBy(aWorkerOf(store)).attempt shouldBe 1
            }
        }
        test("is taken up once") {
            Sleeper.of(newStore()) {
                store.insertOne()
                val lease = heard().single()
                store.takeUp(id, images, lease).shouldNotBeNull()
                store.takeUp(id, images, lease).shouldBeNull()
                store.returnHandedOver(id)
                store.claim(aWorkerOf(store), images, 10).shouldBeEmpty()
            }
        }
        test("is that of the worker which has waited longest for one") {
            Sleeper.of(newStore()) {
                val first = this
                Sleeper.of(store) {
                    repeat(3) { round ->
                        for (next in listOf(first, this)) {
                            store.insertOne()
                            next.heard(round + 1)
                        }
                        first.offer()
                        offer()
                    }
                }
            }
        }
        test("goes back to its queue when its worker leaves, at no cost") {
            Sleeper.of(newStore()) {
                store.insertOne(aJob(maxAttempts = 2))
                heard()
                store.leave(id)
                store.oneClaimedBy(aWorkerOf(store)).attempt shouldBe 1
            }
        }
        test("is rescued when its worker falls silent, and not taken up after that") {
            Sleeper.of(newStore()) {
                val job = store.insertOne()
                val lease = heard().single()
                store.rescue(silentFor = ZERO, limit = 10).map { it.id } shouldContainExactly listOf(job)
                store.takeUp(id, images, lease).shouldBeNull()
                store.oneClaimedBy(aWorkerOf(store)).attempt shouldBe 2
            }
        }
        test("is not taken up by who was given up for dead, though nobody has rescued it yet") {
            Sleeper.of(newStore()) {
                store.insertOne()
                heard()
                offer()
                store.insertOne()
                val leases = heard(2)
                store.rescue(silentFor = ZERO, limit = 1).size shouldBe 1
                leases.forEach { store.takeUp(id, images, it).shouldBeNull() }
            }
        }
    }
    context("nothing is handed over") {
        test("to who made no offer") {
            Sleeper.of(newStore(), offers = false) { store.insert(listOf(aJob())).single().isHandedOver shouldBe false }
        }
        test("to who has risen since") {
            Sleeper.of(newStore()) {
                rise()
                offer()
                store.insert(listOf(aJob())).single().isHandedOver shouldBe false
                store.claim(id, images, 10).size shouldBe 1
            }
        }
        test("to who is gone") {
            Sleeper.of(newStore()) {
                vanish()
                eventually(10.seconds) { store.insert(listOf(aJob())).single().isHandedOver shouldBe false }
            }
        }
        test("to who was given up for dead") {
            Sleeper.of(newStore()) {
                store.rescue(silentFor = ZERO, limit = 10)
                store.insert(listOf(aJob())).single().isHandedOver shouldBe false
                rise()
                sleepAgain()
                store.insert(listOf(aJob())).single().isHandedOver shouldBe false
            }
        }
        test("that is put off, to be tried only once, for another queue, one of several, or there already") {
            Sleeper.of(newStore()) {
                store.insertOne(aJob(uniqueKey = "k", delay = 1.hours))
                val elsewhere = aJob(queue = QueueName("other"))
                val others = listOf(aJob(delay = 1.hours), aJob(maxAttempts = 1), elsewhere, aJob(uniqueKey = "k"))
                for (job in others) store.insert(listOf(job)).single().isHandedOver shouldBe false
                store.insert(List(2) { aJob() }).none { it.isHandedOver } shouldBe true
                store.insert(listOf(aJob(uniqueKey = "new"))).single().isHandedOver shouldBe true
            }
        }
    }
}
