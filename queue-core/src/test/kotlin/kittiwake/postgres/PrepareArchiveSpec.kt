package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.job.JobId
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
                    writer.run(ended(archive))
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

        for (before in listOf(0, 10)) {
            test("a job is found while the partition of its day is made, by who has looked $before times before") {
                TestDatabase.kittiwake().use { kittiwake ->
                    val archive = "\"${kittiwake.schema}\".archive"
                    TestDatabase.connect { it.run(ended(archive)) }
                    repeat(before) { kittiwake.find(JobId(1)).shouldNotBeNull() }
                    TestDatabase.dataSource.connection.use { worker ->
                        worker.autoCommit = false
                        worker.ask("select \"${kittiwake.schema}\".prepare_archive('2040-05-05')") shouldBe "t"
                        val found = async(Dispatchers.IO) { kittiwake.find(JobId(1)) }
                        eventually(10.seconds) { TestDatabase.connect { it.ask(waiting(archive)) } shouldBe "t" }
                        worker.commit()
                        found.await().shouldNotBeNull()
                    }
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

/** A job that is forgotten on a day of which there is no partition yet. */
private fun ended(archive: String) =
    """
    insert into $archive (id, name, queue, priority, args, ending, max_attempts, attempt, enqueued_at, ended_at, keep_until)
    values (1, 'a', 'a', 0, '{}', 'cancelled', 1, 0, now(), now(), '2040-05-05 12:00Z')
    """

/** Whether somebody waits for the archive, or for the partition of all days that have none of their own. */
private fun waiting(archive: String) = "select exists (select from pg_locks where not granted and " +
    "relation in ('$archive'::regclass, '${archive}_default'::regclass))"

private fun Connection.run(sql: String) {
    createStatement().use { it.execute(sql) }
}

private fun Connection.ask(sql: String): String = createStatement().use { statement ->
    statement.executeQuery(sql).use {
        it.next()
        it.getString(1)
    }
}
