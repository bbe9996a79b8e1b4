package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.Retention
import kittiwake.postgres.statement.RescueJobs
import kittiwake.postgres.statement.ReturnJobs
import kittiwake.store.Cancellation
import kittiwake.testing.TestDatabase
import kittiwake.testing.aWorkerOf
import kittiwake.testing.failed
import kittiwake.testing.insertOne
import kittiwake.testing.oneClaimedBy
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import java.sql.Connection
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.seconds

/** Cancelling a job that somebody is putting back. */
@OptIn(KittiwakeSpi::class)
class CancelRaceSpec :
    FunSpec({
        val rivals: Map<String, Kittiwake.(Connection, ClaimedJob) -> Unit> =
            mapOf(
                "failed and is put off" to { connection, claim ->
                    val failed = listOf(failed(claim, delay = 1.hours))
                    ReturnJobs(Schema(schema)).execute(connection, claim.worker, failed, setOf(claim.lease))
                },
                "is rescued" to { connection, _ ->
                    RescueJobs(Schema(schema), Retention.Default, crashLimit = null)
                        .execute(connection, silentFor = ZERO, limit = 10, by = null)
                },
            )
        for ((deed, act) in rivals) {
            test("leaves nothing behind of one that $deed, and its failure goes to the archive") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val store = kittiwake.store
                val id = store.insertOne()
                val claim = store.oneClaimedBy(aWorkerOf(store))
                coroutineScope {
                    TestDatabase.dataSource.connection.use { rival ->
                        rival.autoCommit = false
                        kittiwake.act(rival, claim)
                        val cancelling = async(Dispatchers.IO) { store.cancel(id) }
                        eventually(20.seconds) {
                            TestDatabase.query("select pid from pg_locks where not granted").size shouldBe 1
                        }
                        rival.commit()
                        cancelling.await() shouldBe Cancellation.Cancelled
                    }
                }
                TestDatabase.count(kittiwake, "scheduled") shouldBe 0
                TestDatabase.count(kittiwake, "attempt") shouldBe 0
                TestDatabase.query("select json_array_length(failures::json) from ${kittiwake.schema}.archive") shouldBe
                    listOf("1")
            }
        }
    })
