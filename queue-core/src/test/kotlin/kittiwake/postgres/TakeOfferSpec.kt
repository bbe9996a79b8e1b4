package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainAll
import io.kotest.matchers.longs.shouldBeInRange
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.job
import kittiwake.testing.Sleeper
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.images
import kotlinx.serialization.Serializable
import java.sql.Connection
import kotlin.time.Duration.Companion.seconds

@Serializable
private class Offered

/** Which offers an enqueuer looks at, and in which way. */
@OptIn(KittiwakeSpi::class)
class TakeOfferSpec :
    FunSpec({
        val type = job<Offered>("images") { handle { } }

        fun kittiwake() = autoClose(TestDatabase.kittiwake())

        test("an offer whose worker's session is gone is not taken, and made anew on its next one") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                TestDatabase.query(
                    """
                    select pg_terminate_backend(pid, 10000)
                    from pg_stat_activity
                    where application_name = 'kittiwake sleepers'
                      and pid = (select pid from pg_locks, ${kittiwake.schema}.offer
                                 where locktype = 'advisory' and (classid::bigint << 32 | objid::bigint) = session)
                    """.trimIndent(),
                )
                store.insert(listOf(aJob())).single().isHandedOver shouldBe false
                // On a new connection it makes a new offer.
                eventually(10.seconds) {
                    look()
                    TestDatabase.count(kittiwake, "offer") shouldBe 1
                }
                store.insert(listOf(aJob())).single().isHandedOver shouldBe true
                heard()
            }
        }

        test("an offer of somebody who is gone is thrown away, and who sleeps beside it is told to look") {
            val kittiwake = kittiwake()
            val schema = kittiwake.schema
            TestDatabase.execute(
                "insert into $schema.offer (lease_id, queue, worker_id, session) " +
                    "values (1, '$images', gen_random_uuid(), 1)",
            )
            Sleeper.of(kittiwake.store) {
                isRungBy { TestDatabase.query("select $schema.enqueue('images')") }
                handedOver.value.shouldBeEmpty()
                store.insert(listOf(aJob())).single().isHandedOver shouldBe true
                heard()
            }
        }

        test("an offer that has become too old to be looked at is renewed with the next poll") {
            val kittiwake = kittiwake()
            Sleeper.of(kittiwake.store) {
                TestDatabase.execute("select setval('${kittiwake.schema}.offer_number_seq', 5000)")
                store.insert(listOf(aJob())).single().isHandedOver shouldBe false
                look()
                store.insert(listOf(aJob())).single().isHandedOver shouldBe true
                heard()
                TestDatabase.count(kittiwake, "offer") shouldBe 0
            }
        }

        test("while somebody holds an old snapshot no more than a thousand offers that are gone are looked at") {
            val kittiwake = kittiwake()
            val s = kittiwake.schema
            Sleeper.of(kittiwake.store) {
                TestDatabase.inTransaction { old ->
                    old.transactionIsolation = Connection.TRANSACTION_REPEATABLE_READ
                    old.createStatement().use { it.execute("select count(*) from $s.offer") }
                    rise()
                    TestDatabase.execute(
                        "insert into $s.offer (lease_id, queue, worker_id, session) " +
                            "select -n, '$images', '${id.value}', 1 from generate_series(1, 3000) as n",
                    )
                    TestDatabase.execute("delete from $s.offer where lease_id < 0")
                    sleepAgain()
                    store.insert(listOf(aJob())).single().isHandedOver shouldBe true
                    heard()
                }
            }
            eventually(20.seconds) { searchesOf(kittiwake) shouldBe "1" }
            entriesReadBy(kittiwake) shouldBeInRange 1L..1_001L
        }

        test("what takes an offer runs with the engine's plans, whatever the caller's session is set to") {
            val kittiwake = kittiwake()
            TestDatabase.query(
                "select unnest(proconfig) from pg_proc where oid = '${kittiwake.schema}.take_offer'::regproc",
            ) shouldContainAll listOf("jit=off", "enable_seqscan=off", "plan_cache_mode=force_generic_plan")
        }

        test("offers are found by their index, however the caller's session is set") {
            val kittiwake = kittiwake()
            val scans = scansOf(kittiwake)
            Sleeper.of(kittiwake.store) {
                TestDatabase.inTransaction { connection ->
                    connection.createStatement().use {
                        it.execute("set local plan_cache_mode = force_custom_plan; set local search_path = 'nowhere'")
                    }
                    kittiwake.enqueue(connection, type, Offered())
                    connection.commit()
                }
                heard()
            }
            eventually(20.seconds) { searchesOf(kittiwake) shouldBe "1" }
            scansOf(kittiwake) shouldBe scans
        }
    })

/** How often the table of offers was read from its beginning to its end, and how often it was searched for a queue. */
private fun scansOf(kittiwake: Kittiwake) = TestDatabase.query(
    "select seq_scan from pg_stat_user_tables where schemaname = '${kittiwake.schema}' and relname = 'offer'",
)

private fun entriesReadBy(kittiwake: Kittiwake) = TestDatabase
    .query(
        "select idx_tup_read from pg_stat_user_indexes where schemaname = '${kittiwake.schema}' and indexrelname = 'offer_queue_idx'",
    ).single()
    .toLong()

private fun searchesOf(kittiwake: Kittiwake) = TestDatabase
    .query(
        "select idx_scan from pg_stat_user_indexes where schemaname = '${kittiwake.schema}' and indexrelname = 'offer_queue_idx'",
    ).single()
