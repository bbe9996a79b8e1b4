package kittiwake.exposed

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.postgres.Gate
import kittiwake.postgres.ProcessSettings
import kittiwake.postgres.WorkerProcess
import kittiwake.testing.TestDatabase
import org.jetbrains.exposed.v1.jdbc.SchemaUtils
import org.jetbrains.exposed.v1.jdbc.insert
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.util.concurrent.CountDownLatch
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.seconds

/** A process that stands still between the writes of its transactional handler and their commit. */
@OptIn(KittiwakeSpi::class)
class PausedWorkerSpec :
    FunSpec({
        // So rare a heartbeat that the process comes to its commit before it can hear that it was given up for dead.
        val drowsy = ProcessSettings(lease = 90.seconds, heartbeatEvery = 30.seconds)

        for (secondIs in listOf("running", "committed")) {
            test("commits nothing when it wakes while the second attempt is $secondIs") {
                inShop {
                    val shipments = Shipments(schema)
                    transaction(db) { SchemaUtils.create(shipments) }
                    val items = listOf("bread", "milk", "tea")
                    val gate = Gate(TestDatabase.url, schema)
                    val goOn = CountDownLatch(if (secondIs == "running") 1 else 0)
                    val main = "kittiwake.exposed.TransactionalProcess"
                    WorkerProcess(TestDatabase.url, schema, drowsy, main).use { sleeper ->
                        val closed = gate.close()
                        val ids = items.map { kittiwake.submit(ship, PackArgs(it)).id }
                        eventually(30.seconds) { gate.waiting() shouldBe ids.size }
                        sleeper.stop()
                        // As when its lease had run out, which would take as long as it takes.
                        kittiwake.store.rescue(silentFor = ZERO, limit = 100)
                        working(configure = {
                            queue("ship")
                            handleInTransaction(ship, db) { args ->
                                val second = attempt
                                shipments.insert {
                                    it[item] = args.item
                                    it[attempt] = second
                                }
                                goOn.await()
                            }
                        }) { witness ->
                            ids.forEach { id -> witness.await<JobEvent.Started> { it.id == id } }
                            if (goOn.count == 0L) ids.forEach { kittiwake.awaitEnd(it) }
                            closed.close()
                            sleeper.wake()
                            ids.forEach { sleeper.awaitLine("LeaseLost job $it ") }
                            goOn.countDown()
                            ids.forEach { kittiwake.awaitEnd(it).shouldNotBeNull().attempts shouldBe 2 }
                        }
                    }
                    val effects = committed("select item || ' ' || attempt from $schema.shipment") { it.getString(1) }
                    effects.sorted() shouldBe items.map { "$it 2" }
                }
            }
        }
    })
