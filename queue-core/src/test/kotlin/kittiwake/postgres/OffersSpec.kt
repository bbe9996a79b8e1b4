package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.maps.shouldBeEmpty
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kittiwake.testing.TestDatabase
import kittiwake.testing.aWorkerOf
import kittiwake.testing.images
import java.sql.Connection
import java.sql.SQLException

/** What a worker knows of the leases that it has offered, when statements fail. */
@OptIn(KittiwakeSpi::class)
class OffersSpec :
    FunSpec({
        val mail = QueueName("mail")

        suspend fun offering(block: suspend Offering.() -> Unit) {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val offers = Offers(Schema(kittiwake.schema), aWorkerOf(kittiwake.store))
            TestDatabase.dataSource.connection.use { Offering(kittiwake.schema, offers, it).block() }
        }

        test("an offer whose answer was lost is taken back by the next look, or heard of if somebody has taken it") {
            offering {
                shouldThrow<SQLException> { offers.make(LosesAnswers(connection).connection, SESSION, mail) }
                offers.look(connection, SESSION).shouldBeEmpty()
                standing().shouldBeEmpty()
                shouldThrow<SQLException> { offers.make(LosesAnswers(connection).connection, SESSION, images) }
                val lease = take(images)
                offers.look(connection, SESSION) shouldBe mapOf(lease to images)
                offers.takeUp(lease) shouldBe true
            }
        }

        test("an offer that comes to stand after its statement was given up is taken back, too") {
            offering {
                TestDatabase.inTransaction { late ->
                    shouldThrow<SQLException> { offers.make(LosesAnswers(late).connection, SESSION, mail) }
                    offers.look(connection, SESSION).shouldBeEmpty()
                    late.commit()
                }
                standing() shouldContainExactly listOf("$mail")
                offers.look(connection, SESSION).shouldBeEmpty()
                standing().shouldBeEmpty()
            }
        }

        test("what was taken is told by the next look when this one fails") {
            offering {
                listOf(images, mail).forEach { offers.make(connection, SESSION, it) }
                TestDatabase.inTransaction { enqueuer ->
                    enqueuer.createStatement().use {
                        it.execute("select * from $schema.offer where queue = '$images' for update")
                    }
                    offers.withdraw(connection, images)
                    val lease = take(mail)
                    var calls = 0
                    val fails = LosesAnswers(connection) { if (++calls == 2) throw SQLException("cut", "08006") }
                    shouldThrow<SQLException> { offers.look(fails.connection, SESSION) }
                    offers.look(connection, SESSION) shouldBe mapOf(lease to mail)
                    offers.takeUp(lease) shouldBe true
                    offers.look(connection, SESSION).shouldBeEmpty()
                    enqueuer.rollback()
                }
                offers.look(connection, SESSION).shouldBeEmpty()
                standing().shouldBeEmpty()
            }
        }

        test("what was heard of and not taken up is told again, until it is") {
            offering {
                offers.make(connection, SESSION, images)
                val lease = take(images)
                offers.heard(lease) shouldBe images
                repeat(2) { offers.look(connection, SESSION) shouldBe mapOf(lease to images) }
                offers.takeUp(lease) shouldBe true
                offers.takeUp(lease) shouldBe false
                offers.look(connection, SESSION).shouldBeEmpty()
            }
        }

        test("an offer that somebody has thrown away is made again once it was looked for") {
            offering {
                offers.make(connection, SESSION, images)
                TestDatabase.execute("delete from $schema.offer")
                offers.make(connection, SESSION, images)
                standing().shouldBeEmpty()
                offers.look(connection, SESSION).shouldBeEmpty()
                offers.make(connection, SESSION, images)
                standing() shouldContainExactly listOf("$images")
            }
        }

        test("on a new connection what stands is offered anew, with its key, but not for queues that are busy") {
            offering {
                listOf(images, mail).forEach { offers.make(connection, SESSION, it) }
                offers.renew(connection, SESSION + 1, setOf(mail))
                standing() shouldContainExactly listOf("$mail")
                TestDatabase.query("select session from $schema.offer") shouldContainExactly listOf("${SESSION + 1}")
            }
        }

        test("who stops is told of all in which something may be, and hears and takes up nothing after that") {
            offering {
                listOf(images, mail).forEach { offers.make(connection, SESSION, it) }
                val lease = take(mail)
                offers.heard(lease) shouldBe mail
                offers.heard(lease).shouldBeNull()
                offers.close().values.toSet() shouldBe setOf(images, mail)
                offers.takeUp(lease) shouldBe false
                offers.look(connection, SESSION).shouldBeEmpty()
            }
        }
    })

private const val SESSION = 7L

@OptIn(KittiwakeSpi::class)
private class Offering(val schema: String, val offers: Offers, val connection: Connection) {
    /** Puts a job into the lease that was offered for [queue]. */
    fun take(queue: QueueName): Long {
        val sql =
            """
            with gone as (delete from $schema.offer where queue = '$queue' returning lease_id, worker_id)
            insert into $schema.lease (id, worker_id, job_ids, attempts)
            select lease_id, worker_id, '{1}', '{1}' from gone
            returning id
            """.trimIndent()
        return TestDatabase.query(sql).single().toLong()
    }

    fun standing(): List<String> = TestDatabase.query("select queue from $schema.offer order by queue")
}
