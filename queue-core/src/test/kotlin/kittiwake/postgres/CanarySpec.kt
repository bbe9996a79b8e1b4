package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldNotBeEmpty
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.string.shouldNotContain
import kittiwake.testing.TestDatabase
import kittiwake.testing.TestRole
import org.postgresql.ds.PGSimpleDataSource
import org.postgresql.util.PSQLException
import java.io.File
import java.util.concurrent.TimeUnit
import kotlin.io.path.createTempFile

private const val SONG = "tweet-5ab1c0ffee"
private const val PASSWORD = "seed-77deadbeef"

/** What jobs are about, and the password, are nowhere but in the rows and in the driver. */
class CanarySpec :
    FunSpec({
        val role = autoClose(TestRole("canary", PASSWORD))
        val kittiwake = autoClose(TestDatabase.kittiwake())
        TestDatabase.execute(kittiwake.grantSql(role.name, Access.WORK))

        test("a process that logs all it can tells nothing of args, results, keys, errors and passwords") {
            TestDatabase.execute("alter table ${kittiwake.schema}.archive add check (priority <> 7)")
            val output = createTempFile("canary", ".log").toFile()
            val process = canary(role.name, kittiwake.schema, output)
            val seen = mutableSetOf<String>()
            while (!process.waitFor(20, TimeUnit.MILLISECONDS)) {
                seen += TestDatabase.query(
                    "select concat_ws(' ', application_name, query) from pg_stat_activity where usename = '${role.name}'",
                )
            }
            val said = output.readText()
            process.exitValue() shouldBe 0
            for (fact in listOf(
                "\"fails\" (attempt 1 of 2, queue fails",
                "java.lang.IllegalStateException",
                "an error",
                "Given up",
                "Discarded by its handler",
                "kittiwake.ArgsDecodingException",
                "No handler for job \"is-unknown\"",
                "is refused by the store",
                "violates check constraint",
                "thrown org.postgresql.util.PSQLException",
                "$.pitch is NaN",
                "U+0000",
                "1 to 255 bytes",
                "metadata may have",
                "cannot read the pool's jdbcUrl",
                "thread kittiwake-heartbeat",
                "TRACE kittiwake.worker",
            )) {
                said shouldContain fact
            }
            seen.filter { "kittiwake: insert " in it }.shouldNotBeEmpty()
            (said.lines() + seen).filter { SONG in it || PASSWORD in it }.shouldBeEmpty()
        }

        test("a statement of the engine that fails says what failed, and not on which row") {
            val rows = "create temp table twins (id int primary key) on commit drop; insert into twins values (1), (1)"
            val untouched = shouldThrow<PSQLException> { TestDatabase.execute(rows) }
            untouched.message shouldContain "(id)=(1)"
            val spared = shouldThrow<PSQLException> { withoutDetail { TestDatabase.execute(rows) } }
            spared.message shouldContain "duplicate key value violates unique constraint"
            spared.message shouldNotContain "(id)=(1)"
            spared.sqlState shouldBe "23505"
        }
    })

/** A worker in a JVM of its own, where all loggers are at their most talkative. */
private fun canary(role: String, schema: String, output: File): Process {
    val server = PGSimpleDataSource().also { it.setURL(TestDatabase.url) }
    val url = "jdbc:postgresql://${server.serverNames[0]}:${server.portNumbers[0]}/${server.databaseName}" +
        "?user=$role&password=$PASSWORD"
    return ProcessBuilder(
        "${System.getProperty("java.home")}/bin/java",
        "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=trace", "-Dorg.slf4j.simpleLogger.log.kittiwake=trace",
        "-Dkotlinx.coroutines.debug",
        "-cp", System.getProperty("java.class.path"),
        "kittiwake.postgres.CanaryProcess", url, schema, SONG,
    ).redirectErrorStream(true).redirectOutput(output).start()
}
