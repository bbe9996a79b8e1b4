package kittiwake.exposed

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.testing.TestDatabase
import kittiwake.testing.awaitSleepIn
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.withTimeout
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

class WakeAfterCommitSpec :
    FunSpec({
        context("a worker that would look only once in ten minutes") {
            test("of another process starts each job soon after its commit") {
                inShop {
                    elsewhere().use { other -> working(other, { packs() }) { startsOneAfterAnother() } }
                }
            }

            test("of the same process does so too") {
                inShop {
                    working(configure = { packs() }) { startsOneAfterAnother() }
                }
            }

            test("of another process starts a delayed job when it is due") {
                inShop {
                    elsewhere().use { other ->
                        working(other, { packs() }) {
                            kittiwake.awaitSleepIn("pack")
                            val ref = transaction(db) { pack.enqueue(PackArgs("tea")) { delay = 1.seconds } }
                            kittiwake.awaitEnd(ref.id, SOON).shouldNotBeNull()
                        }
                    }
                }
            }
        }

        test("a job is handed over to a worker that sleeps, by its commit, and never has a ticket") {
            inShop {
                elsewhere().use { other ->
                    working(other, { packs() }) {
                        kittiwake.awaitSleepIn("pack")
                        TestDatabase.execute("alter table $schema.ready add check (job_id < 0) not valid")
                        repeat(3) {
                            eventually(SOON) { TestDatabase.count(kittiwake, "offer") shouldBe 1 }
                            val ref =
                                transaction(db) {
                                    pack.enqueue(PackArgs("never"))
                                    rollback()
                                    pack.enqueue(PackArgs("tea"))
                                }
                            kittiwake.awaitEnd(ref.id, SOON).shouldNotBeNull()
                        }
                    }
                }
            }
        }

        test("a transaction signals each of its queues once, however many jobs it enqueues there") {
            inShop {
                Sleeper(this, "pack", "bill").use { sleeper ->
                    transaction(db) {
                        repeat(50) {
                            pack.enqueue(PackArgs("tea $it"))
                            bill.enqueueAll(List(5) { n -> PackArgs("coffee $n") })
                        }
                        sleeper.heard().shouldBeEmpty()
                    }
                    sleeper.heard() shouldBe listOf("bill", "pack")
                }
            }
        }

        test("a queue that nobody sleeps in is not signalled") {
            inShop {
                Sleeper(this, "pack").use { sleeper ->
                    transaction(db) {
                        pack.enqueue(PackArgs("tea"))
                        bill.enqueue(PackArgs("tea"))
                    }
                    sleeper.heard() shouldBe listOf("pack")
                }
            }
        }
    })

private fun WorkerBuilder.packs() {
    pollEvery = 10.minutes
    queue("pack")
    handle(pack) { }
}

/**
 * Thirty jobs, each enqueued when the worker sleeps, and polls ten minutes from now: without a wake-up for each of them
 * they take longer than this waits.
 */
private suspend fun Shop.startsOneAfterAnother(): Unit = withTimeout(SOON) {
    repeat(30) { round ->
        kittiwake.awaitSleepIn("pack")
        val ref = transaction(db) { pack.enqueue(PackArgs("tea $round")) }
        kittiwake.awaitEnd(ref.id).shouldNotBeNull()
    }
}
