package kittiwake.postgres

import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import io.kotest.assertions.nondeterministic.eventually
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.KittiwakeSpi
import kittiwake.SchemaException
import kittiwake.job.JobId
import kittiwake.testing.TestDatabase
import kittiwake.testing.jobStoreContract
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import org.postgresql.ds.PGSimpleDataSource
import kotlin.time.Duration.Companion.seconds

/** Whatever the role, the database and the user's pool are set to, the engine sets for itself what it needs. */
@OptIn(KittiwakeSpi::class)
class HostileSettingsSpec :
    FunSpec({
        val hostile =
            HikariDataSource(
                HikariConfig().apply {
                    // What the driver itself runs when it connects must come through: not in a millisecond, if all are busy.
                    val options =
                        "-c default_transaction_isolation=serializable -c default_transaction_read_only=on " +
                            "-c statement_timeout=200ms -c lock_timeout=200ms -c enable_indexscan=on"
                    val own = PGSimpleDataSource().also { it.setURL(TestDatabase.url) }
                    own.options = options
                    dataSource = own
                    isAutoCommit = false
                    isReadOnly = true
                    transactionIsolation = "TRANSACTION_SERIALIZABLE"
                    maximumPoolSize = 2
                },
            )
        autoClose(hostile)

        fun kittiwake(): Kittiwake {
            val schema = TestDatabase.kittiwake().use { it.schema }
            return Kittiwake.connect(hostile) { this.schema = schema }
        }

        include(jobStoreContract { autoClose(kittiwake()).store })

        test("a statement waits longer than the pool's timeouts allow") {
            val kittiwake = autoClose(kittiwake())
            TestDatabase.dataSource.connection.use { other ->
                other.autoCommit = false
                other.createStatement().use { it.execute("lock table ${kittiwake.schema}.job") }
                coroutineScope {
                    val found = async(Dispatchers.IO) { kittiwake.find(JobId(1)) }
                    eventually(20.seconds) { TestDatabase.query(LONG_WAITS).single() shouldBe "1" }
                    other.rollback()
                    found.await().shouldBeNull()
                }
            }
        }

        test("a role that may not create is told what its owner has to run") {
            val role = "poor_${ProcessHandle.current().pid()}"
            TestDatabase.execute("create role $role login password 'poor'")
            val poor = PGSimpleDataSource().also { it.setURL(TestDatabase.url) }
            poor.user = role
            poor.password = "poor"
            val kittiwake = autoClose(Kittiwake.connect(poor) { schema = TestDatabase.freshSchema() })
            val thrown = shouldThrow<SchemaException> { kittiwake.migrate() }
            thrown.message shouldContain "grant create on database"
            thrown.message shouldContain "kittiwake.migrationSql()"
        }
    })

private const val LONG_WAITS = """
    select count(*)
    from pg_stat_activity
    where wait_event_type = 'Lock' and clock_timestamp() - query_start > interval '300 ms'
"""
