package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import java.sql.Connection
import kotlin.time.Duration.Companion.seconds

class PrepareArchiveSpec :
    FunSpec({
        test("a day's partition waits for those who write to the archive, and takes over their rows") {
            TestDatabase.kittiwake().use { kittiwake ->
                val archive = "\"${kittiwake.schema}\".archive"
                TestDatabase.dataSource.connection.use { writer ->
                    writer.autoCommit = false
                    writer.run(
                        """
                        insert into $archive (id, name, queue, priority, args, ending, max_attempts, attempt,
                                              enqueued_at, ended_at, keep_until)
                        values (1, 'a', 'a', 0, '{}', 'cancelled', 1, 0, now(), now(), '2040-05-05 12:00Z')
                        """,
                    )
                    val prepared =
                        async(Dispatchers.IO) {
                            TestDatabase.connect {
                                it
                                    .ask("select \"${kittiwake.schema}\".prepare_archive('2040-05-05')")
                            }
                        }
                    eventually(10.seconds) { TestDatabase.connect { it.ask(waiting(archive)) } shouldBe "t" }
                    writer.commit()
                    prepared.await() shouldBe "t"
                    writer.ask("select count(*) from ${archive}_20400505") shouldBe "1"
                }
            }
        }

        test("who sleeps in a queue of that name keeps nobody from preparing or pruning it") {
            TestDatabase.kittiwake().use { kittiwake ->
                val schema = "\"${kittiwake.schema}\""
                TestDatabase.connect { sleeper ->
                    sleeper.ask("select pg_advisory_lock_shared($schema.sleep_key('archive'))::text")
                    TestDatabase.connect { worker ->
                        worker.run("set lock_timeout = '10s'")
                        worker.ask("select $schema.prepare_archive('2040-05-05')") shouldBe "t"
                        worker.ask("select $schema.prune_archive(100)") shouldBe "0"
                    }
                    sleeper.run("select pg_advisory_unlock_all()")
                }
            }
        }
    })

private fun waiting(table: String) =
    "select exists (select from pg_locks where not granted and relation = '$table'::regclass)"

private fun Connection.run(sql: String) {
    createStatement().use { it.execute(sql) }
}

private fun Connection.ask(sql: String): String = createStatement().use { statement ->
    statement.executeQuery(sql).use {
        it.next()
        it.getString(1)
    }
}
