package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.SchemaException
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.serialization.Serializable

@Serializable
private class NoArgs

class MigrationsSpec :
    FunSpec({
        val type = job<NoArgs>("migrated") { handle { } }

        fun unmigrated() = Kittiwake.connect(TestDatabase.dataSource) { schema = TestDatabase.freshSchema() }

        test("are applied once, whoever calls first") {
            val kittiwake = autoClose(unmigrated())
            val applied =
                coroutineScope { List(6) { async(Dispatchers.IO) { kittiwake.migrate() } }.awaitAll() }
            applied.filter { it.isNotEmpty() } shouldBe listOf(listOf(1))
            kittiwake.migrate().shouldBeEmpty()
        }

        test("may take longer than any statement of the engine") {
            val source = ConnectionSource(TestDatabase.dataSource)
            source.forMigrations.connection.use { it.networkTimeout shouldBe 0 }
            (source.dataSource.connection.use { it.networkTimeout } > 0) shouldBe true
        }

        test("can be printed and applied by another tool") {
            val kittiwake = autoClose(unmigrated())
            TestDatabase.execute(kittiwake.migrationSql())
            kittiwake.migrate().shouldBeEmpty()
            kittiwake.submit(type, NoArgs()).isNew shouldBe true
        }

        test("that are missing are said so, with where it looked and what mends it, and break no transaction") {
            val kittiwake = autoClose(unmigrated())
            TestDatabase.connect { connection ->
                connection.autoCommit = false
                val thrown = shouldThrow<SchemaException> { kittiwake.enqueue(connection, type, NoArgs()) }
                val schema = "\"${kittiwake.schema}\""
                for (part in listOf(schema, "role \"postgres\"", "search_path", "kittiwake.migrate()")) {
                    thrown.message shouldContain part
                }
                connection.createStatement().use { it.execute("select 1") }
                connection.commit()
            }
            shouldThrow<SchemaException> { kittiwake.submit(type, NoArgs()) }
            val worker =
                kittiwake.worker {
                    queue("migrated")
                    jobs(type)
                }
            shouldThrow<SchemaException> { worker.run() }.message shouldContain "kittiwake.migrate()"
        }

        test("of a newer library are refused, with both versions") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            TestDatabase.execute(
                "insert into ${kittiwake.schema}.migration (version, name, hash) values (99, 'V099', 'x')",
            )
            for (attempt in listOf<suspend () -> Any>({ kittiwake.migrate() }, { kittiwake.submit(type, NoArgs()) })) {
                val thrown = shouldThrow<SchemaException> { attempt() }
                thrown.message shouldContain "version 99"
                thrown.message shouldContain "newer than 1"
            }
        }

        test("that were changed after their release are noticed") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            TestDatabase.execute("update ${kittiwake.schema}.migration set hash = 'another'")
            shouldThrow<SchemaException> { kittiwake.migrate() }.message shouldContain "V001__create_jobs.sql"
        }

        test("go into any schema whose name is allowed, and refuse the others before any SQL") {
            val hostile =
                listOf("", "a\"b", "x; drop table y; --", "Upper", "pg_mine", "1st", "a-b", "ä", "x".repeat(49), " ")
            for (name in hostile) {
                shouldThrow<IllegalArgumentException> { Kittiwake.connect(TestDatabase.dataSource) { schema = name } }
                    .message shouldContain "1 to 48"
            }
            val longest = "l" + TestDatabase.freshSchema().padEnd(47, '_')
            autoClose(Kittiwake.connect(TestDatabase.dataSource) { schema = longest }).migrate() shouldBe listOf(1)
        }
    })
