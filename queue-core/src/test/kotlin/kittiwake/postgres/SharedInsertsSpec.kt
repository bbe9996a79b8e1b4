package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeUnique
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.collections.shouldContainExactlyInAnyOrder
import io.kotest.matchers.ints.shouldBeLessThan
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.property.Arb
import io.kotest.property.arbitrary.enum
import io.kotest.property.arbitrary.int
import io.kotest.property.arbitrary.list
import io.kotest.property.checkAll
import kittiwake.KittiwakeSpi
import kittiwake.job.JobId
import kittiwake.store.Inserted
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.insertOne
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeout
import kotlinx.coroutines.yield
import java.sql.SQLException
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors
import kotlin.math.absoluteValue
import kotlin.random.Random
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@OptIn(KittiwakeSpi::class, ExperimentalCoroutinesApi::class)
class SharedInsertsSpec :
    FunSpec({
        fun withStore(block: suspend Answering.() -> Unit): Unit = runTest { Answering(this).block() }

        test("who comes alone, or second, waits for nobody") {
            withStore {
                val jobs = listOf(submit("a"), submit("b"))
                statements shouldContainExactly listOf(listOf("a"), listOf("b"))
                answerAll()
                jobs.awaitAll() shouldContainExactly listOf(ids("a"), ids("b"))
            }
        }

        test("who comes meanwhile shares the next statement, and each gets its own answer") {
            withStore {
                twoAreUnderWay()
                val sharing = listOf(submit("c"), submit("d", "e"), submit("f"))
                statements.size shouldBe 2
                answerAll()
                statements.drop(2) shouldContainExactly listOf(listOf("c", "d", "e", "f"))
                sharing.awaitAll() shouldContainExactly listOf(ids("c"), ids("d", "e"), ids("f"))
            }
        }

        test("a statement has a thousand jobs at most, and who does not fit leads the next one") {
            withStore {
                twoAreUnderWay()
                submit(*Array(600) { "a$it" })
                submit(*Array(400) { "b$it" })
                submit("c")
                answerAll()
                statements.drop(2).map { it.size } shouldContainExactly listOf(1_000, 1)
            }
        }

        test("a job with a key is sent at once and alone, for it may have to wait for another transaction") {
            withStore {
                twoAreUnderWay()
                submit("waits")
                submit("keyed", key = "k")
                statements.drop(2) shouldContainExactly listOf(listOf("keyed"))
                answerAll()
                statements.last() shouldContainExactly listOf("waits")
            }
        }

        test("what is refused of one is stored of the others") {
            withStore {
                twoAreUnderWay()
                val (good, bad, other) = listOf(submit("good"), submit("bad"), submit("other"))
                answerAll()
                listOf(good, other).awaitAll() shouldContainExactly listOf(ids("good"), ids("other"))
                shouldThrow<SQLException> { bad.await() }.sqlState shouldBe REFUSED
                statements.drop(2).map { it.joinToString() } shouldContainExactly
                    listOf("good, bad, other", "good, bad", "good", "bad", "other")
            }
        }

        test("who leads after it was told to, and is refused, hears so") {
            withStore {
                twoAreUnderWay()
                val (bad, good) = submit("bad") to submit("good")
                answerAll()
                shouldThrow<SQLException> { bad.await() }.sqlState shouldBe REFUSED
                good.await() shouldBe ids("good")
            }
        }

        test("that the database is away is told to all of them, and the next are served") {
            withStore {
                twoAreUnderWay()
                val sharing = listOf(submit("a"), submit("away"))
                answerAll()
                sharing.forEach { job -> shouldThrow<SQLException> { job.await() }.sqlState shouldBe "08006" }
                val next = submit("next")
                answerAll()
                next.await() shouldBe ids("next")
            }
        }

        test("who is cancelled while it waits has stored nothing, and holds up nobody") {
            withStore {
                twoAreUnderWay()
                val (leaving, staying) = submit("leaving") to submit("staying")
                leaving.cancelAndJoin()
                answerAll()
                staying.await() shouldBe ids("staying")
                statements.drop(2) shouldContainExactly listOf(listOf("staying"))
            }
        }

        test("whoever leaves in the moment in which it is to lead, leaves that to the next") {
            val inserts =
                SharedInserts(Dispatchers.IO) { jobs ->
                    yield()
                    jobs.map { Inserted(id(it.args), isNew = true) }
                }
            withContext(Dispatchers.Default) {
                withTimeout(60.seconds) {
                    repeat(200) { round ->
                        val calls = List(40) { async { inserts.insert(listOf(aJob(args = "$round $it"))) } }
                        calls.forEachIndexed { i, call -> if (i % 2 == 0) launch { call.cancel() } }
                        calls.joinAll()
                        calls.filterIndexed { i, _ -> i % 2 == 1 }.awaitAll().forEach { it.size shouldBe 1 }
                    }
                }
            }
        }

        test("who leads and is cancelled stores for the others all the same") {
            withStore {
                twoAreUnderWay()
                val (leader, follower) = submit("leader") to submit("follower")
                answer()
                settle()
                leader.cancel()
                answerAll()
                follower.await() shouldBe ids("follower")
                statements.drop(2) shouldContainExactly listOf(listOf("leader", "follower"))
            }
        }

        test("whoever comes, leaves or is refused, all others are stored once, and nobody waits for ever") {
            checkAll(Arb.list(Arb.enum<Fate>(), 1..40), Arb.int()) { fates, seed ->
                runTest {
                    val random = Random(seed)
                    val stored = mutableListOf<String>()
                    val inserts =
                        SharedInserts(StandardTestDispatcher(testScheduler)) { jobs ->
                            delay(random.nextInt(1, 5).milliseconds)
                            if (jobs.any { Fate.REFUSED.name in it.args }) throw refusal()
                            stored += jobs.map { it.args }
                            jobs.map { Inserted(id(it.args), isNew = true) }
                        }
                    val calls =
                        fates.mapIndexed { i, fate ->
                            delay(random.nextInt(0, 2).milliseconds)
                            val call = async { runCatching { inserts.insert(listOf(aJob(args = "$i $fate"))) } }
                            if (fate == Fate.CANCELLED) {
                                launch {
                                    delay(random.nextInt(0, 4).milliseconds)
                                    call.cancel()
                                }
                            }
                            call
                        }
                    calls.joinAll()
                    stored.shouldBeUnique()
                    stored.filter { Fate.STORED.name in it } shouldContainExactlyInAnyOrder
                        fates.mapIndexedNotNull { i, fate -> "$i $fate".takeIf { fate == Fate.STORED } }
                    inserts.insert(listOf(aJob(args = "last"))).single().id shouldBe id("last")
                }
            }
        }

        test("on a server, a hundred at once share transactions, and only what is wrong is refused") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val wrong = listOf(17, 18, 63)
            val submitted =
                withContext(Dispatchers.Default) {
                    List(100) { i ->
                        val args = if (i in wrong) "nul \u0000" else """{"i":$i}"""
                        async { runCatching { kittiwake.store.insert(listOf(aJob(args = args))).single().id } }
                    }.awaitAll()
                }
            submitted.indices.filter { submitted[it].isFailure } shouldContainExactly wrong
            for ((i, id) in submitted.withIndex()) {
                if (i !in wrong) kittiwake.find(id.getOrThrow()).shouldNotBeNull().args shouldBe """{"i":$i}"""
            }
            val transactions = TestDatabase.query("select count(distinct xmin::text) from ${kittiwake.schema}.job")
            transactions.single().toInt() shouldBeLessThan 100 - wrong.size
        }

        test("on a server, nobody waits for callers that have no thread to go on") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val free = CountDownLatch(1)
            Executors.newSingleThreadExecutor().asCoroutineDispatcher().use { busy ->
                coroutineScope {
                    repeat(2) { launch(busy) { kittiwake.store.insertOne() } }
                    launch(busy) { free.await() }
                    try {
                        withTimeout(30.seconds) {
                            List(5) { async(Dispatchers.IO) { kittiwake.store.insertOne() } }
                                .awaitAll()
                                .shouldBeUnique()
                        }
                    } finally {
                        free.countDown()
                    }
                }
            }
        }
    })

private enum class Fate { STORED, REFUSED, CANCELLED }

private const val REFUSED = "22021"

private fun refusal() = SQLException("refused", REFUSED)

/** The one that the store below gives. */
private fun id(args: String) = JobId(1 + args.hashCode().toLong().absoluteValue)

private fun ids(vararg args: String) = args.map(::id)

/** A store that answers when it is told to, and says what it was asked. */
@OptIn(KittiwakeSpi::class, ExperimentalCoroutinesApi::class)
private class Answering(private val scope: TestScope) {
    private val unanswered = ArrayDeque<CompletableDeferred<Unit>>()

    /** The args of the jobs of each statement that was sent. */
    val statements = mutableListOf<List<String>>()

    private val inserts = SharedInserts(StandardTestDispatcher(scope.testScheduler)) { jobs ->
        statements += jobs.map { it.args }
        CompletableDeferred<Unit>().also { unanswered += it }.await()
        if (jobs.any { it.args == "bad" }) throw refusal()
        if (jobs.any { it.args == "away" }) throw SQLException("away", "08006")
        jobs.map { Inserted(id(it.args), isNew = true) }
    }

    fun submit(vararg args: String, key: String? = null): Deferred<List<JobId>> = scope.backgroundScope
        .async(SupervisorJob()) { inserts.insert(args.map { aJob(args = it, uniqueKey = key) }).map { it.id } }
        .also { settle() }

    /** Those who keep all others waiting. */
    fun twoAreUnderWay() {
        submit("busy")
        submit("busy, too")
    }

    /** Answers the statement that was sent first of those that were not answered. */
    fun answer() {
        unanswered.removeFirst().complete(Unit)
    }

    /** Answers whatever is sent, until nothing more is. */
    fun answerAll() {
        while (unanswered.isNotEmpty()) {
            answer()
            settle()
        }
    }

    fun settle(): Unit = scope.runCurrent()
}
