package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.collections.shouldContainExactlyInAnyOrder
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.aWorkerOf
import kittiwake.testing.images
import kittiwake.testing.insertOne
import kittiwake.testing.oneClaimedBy
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.seconds

@Serializable
private class Looked

/** The look for many queues at once: it names those in which there is something, and no others. */
@OptIn(KittiwakeSpi::class)
class LookSpec :
    FunSpec({
        val type = job<Looked>("looked") { queue = images.value }
        val mails = QueueName("mails")
        val reports = QueueName("reports")
        val all = setOf(images, mails, reports)

        test("names queues with ready jobs and with jobs that fall due in time") {
            val store = autoClose(TestDatabase.kittiwake()).store
            val ana = aWorkerOf(store)
            store.look(ana, all, 10.seconds).shouldBeEmpty()
            store.insertOne(aJob(queue = mails))
            store.insertOne(aJob(queue = reports, delay = 5.seconds))
            store.insertOne(aJob(queue = images, delay = 1.hours))
            repeat(2) { store.look(ana, all, 10.seconds) shouldContainExactlyInAnyOrder listOf(mails, reports) }
            store.look(ana, all, 1.seconds) shouldContainExactly setOf(mails)
        }

        test("goes on from where claims and earlier looks have got, whoever took the jobs") {
            val store = autoClose(TestDatabase.kittiwake()).store
            val (ana, ben) = listOf(aWorkerOf(store), aWorkerOf(store))
            for (claimer in listOf(ana, ben, ana, ben)) {
                val id = store.insertOne()
                store.look(ana, all, 1.seconds) shouldContainExactly setOf(images)
                store.oneClaimedBy(claimer).id shouldBe id
                store.look(ana, all, 1.seconds).shouldBeEmpty()
            }
            val urgent = store.insertOne(aJob(priority = 9))
            store.look(ana, all, 1.seconds) shouldContainExactly setOf(images)
            store.oneClaimedBy(ana).id shouldBe urgent
        }

        test("finds the job of a transaction that was open when it looked last, and so does the claim after it") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val store = kittiwake.store
            val ana = aWorkerOf(store)
            TestDatabase.dataSource.connection.use { slow ->
                slow.autoCommit = false
                val id = kittiwake.enqueue(slow, type, Looked()).id
                store.insertOne()
                store.oneClaimedBy(ana)
                repeat(2) { store.look(ana, all, 1.seconds).shouldBeEmpty() }
                slow.commit()
                store.look(ana, all, 1.seconds) shouldContainExactly setOf(images)
                store.oneClaimedBy(ana).id shouldBe id
            }
        }

        test("finds a ticket that a rival had locked and did not take, and so does the claim after it") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val store = kittiwake.store
            val ana = aWorkerOf(store)
            TestDatabase.dataSource.connection.use { rival ->
                rival.autoCommit = false
                val left = store.insertOne()
                rival.createStatement().use { it.execute("select from ${kittiwake.schema}.ready for update") }
                val taken = store.insertOne()
                store.oneClaimedBy(ana).id shouldBe taken
                rival.rollback()
                eventually(20.seconds) { store.look(ana, all, 1.seconds) shouldContainExactly setOf(images) }
                store.oneClaimedBy(ana).id shouldBe left
            }
        }
    })
