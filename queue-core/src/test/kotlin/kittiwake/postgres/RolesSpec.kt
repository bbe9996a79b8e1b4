package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.assertions.withClue
import io.kotest.core.annotation.Tags
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.KittiwakeSpi
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.TestRole
import kittiwake.testing.jobStoreContract
import kittiwake.testing.working
import kotlinx.serialization.Serializable
import java.sql.Connection
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds

@Serializable
private class Granted(val number: Int = 0)

private const val DENIED = "42501"

/** One role owns and migrates, one works, one enqueues; none is a superuser, and none may more than its part. */
@Tags("AnyJdk")
@OptIn(KittiwakeSpi::class)
class RolesSpec :
    FunSpec({
        val owner = autoClose(TestRole("owner"))
        val worker = autoClose(TestRole("worker"))
        val enqueuer = autoClose(TestRole("enqueuer"))
        val database = TestDatabase.query("select current_database()").single()
        TestDatabase.execute("grant create on database \"$database\" to ${owner.name}")
        val type = job<Granted, Int>("granted") { unique { if (it.number < 0) "${it.number}" else null } }

        fun freshSchema(): String = TestDatabase.kittiwake(owner.dataSource).use { kittiwake ->
            owner.execute(
                kittiwake.grantSql(worker.name, Access.WORK),
                kittiwake.grantSql(enqueuer.name, Access.ENQUEUE),
            )
            kittiwake.schema
        }

        fun kittiwakeOf(role: TestRole, schema: String) = Kittiwake.connect(role.dataSource) { this.schema = schema }

        include(jobStoreContract { autoClose(kittiwakeOf(worker, freshSchema())).store })

        test("the enqueuing role enqueues in every way, and the working role does its jobs") {
            val schema = freshSchema()
            val web = autoClose(kittiwakeOf(enqueuer, schema))
            val service = autoClose(kittiwakeOf(worker, schema))

            fun inTransaction(block: (Connection) -> Unit) = enqueuer.dataSource.connection.use { connection ->
                connection.autoCommit = false
                block(connection)
                connection.commit()
            }
            service.working(RecordedEvents(), {
                queue("granted")
                pollEvery = 100.milliseconds
                handle(type) { it.number }
            }) {
                val keyed = web.submit(type, Granted(-1)) { delay = 1.hours }
                web.submit(type, Granted(-1)).id shouldBe keyed.id
                val jobs = mutableListOf(web.submit(type, Granted(1)) { metadata["k"] = "v" }.id)
                inTransaction { c ->
                    jobs += web.enqueueAll(c, type, List(3) { Granted(it) }).map { it.id }
                    jobs += web.enqueue(c, type, Granted(4)) { delay = 50.milliseconds }.id
                    web.enqueue(c, type, Granted(-1)).id shouldBe keyed.id
                }
                jobs.forEach { service.awaitEnd(it).shouldNotBeNull().result.shouldNotBeNull() }
                enqueuer.execute("select $schema.enqueue('granted', '{\"number\":5}', unique_key => 'sql')")
                enqueuer.execute("select $schema.enqueue('granted', '{\"number\":5}', unique_key => 'sql')")
                enqueuer.execute("insert into $schema.job (name, args) values ('granted', '{}')")
                service.cancel(keyed.id)
                worker.refusalOf("select args, result, error from $schema.jobs") shouldBe null
            }
        }

        test("the enqueuing role cannot read, change or take what is there") {
            val schema = freshSchema()
            kittiwakeOf(enqueuer, schema).use { it.submit(type, Granted()) }
            for (table in listOf("job", "archive", "lease", "offer", "worker", "attempt", "ready", "scheduled")) {
                enqueuer.shouldNotBeAllowed("select * from $schema.$table")
                enqueuer.shouldNotBeAllowed("delete from $schema.$table")
                enqueuer.shouldNotBeAllowed("truncate $schema.$table")
            }
            enqueuer.shouldNotBeAllowed("select * from $schema.jobs")
            enqueuer.shouldNotBeAllowed("select args from $schema.job")
            enqueuer.shouldNotBeAllowed("select metadata from $schema.job")
            enqueuer.shouldNotBeAllowed("insert into $schema.job (name) values ('granted') returning args")
            enqueuer.shouldNotBeAllowed("update $schema.job set args = '{}'")
            enqueuer.shouldNotBeAllowed("select id from $schema.job for update")
            enqueuer.shouldNotBeAllowed("update $schema.upkeep_turn set next_at = 'infinity'")
            enqueuer.shouldNotBeAllowed("select $schema.prune_archive(1)")
            enqueuer.shouldNotBeAllowed("insert into $schema.offer (lease_id) values (1)")
            enqueuer.shouldNotBeAllowed("select $schema.prepare_archive(current_date)")
            enqueuer.shouldNotBeAllowed("insert into $schema.archive (id) values (1)")
            enqueuer.shouldNotBeAllowed("insert into $schema.lease (id) values (1)")
            enqueuer.shouldNotBeAllowed("select setval('$schema.job_id_seq', 1)")
            enqueuer.shouldNotBeAllowed("create table $schema.mine (id int)")
            enqueuer.shouldNotBeAllowed("insert into $schema.migration (version, name, hash) values (9, 'x', 'x')")
        }

        test("the working role cannot change what a job is, what has ended, or the tables") {
            val schema = freshSchema()
            kittiwakeOf(worker, schema).use { it.submit(type, Granted()) }
            owner.execute("select $schema.prepare_archive('2040-01-01')")
            for (table in listOf("job", "ready", "scheduled", "lease", "worker", "attempt", "archive", "upkeep_turn")) {
                worker.shouldNotBeAllowed("truncate $schema.$table")
                worker.shouldNotBeAllowed("drop table $schema.$table cascade")
                worker.shouldNotBeAllowed("alter table $schema.$table add column mine int")
            }
            worker.shouldNotBeAllowed("update $schema.job set args = '{}'")
            worker.shouldNotBeAllowed("update $schema.job set id = 1")
            worker.shouldNotBeAllowed("update $schema.archive set result = '{}'")
            worker.shouldNotBeAllowed("delete from $schema.archive")
            worker.shouldNotBeAllowed("select * from $schema.archive_20400101")
            worker.shouldNotBeAllowed("drop table $schema.archive_20400101")
            worker.shouldNotBeAllowed("update $schema.migration set hash = ''")
            worker.shouldNotBeAllowed("delete from $schema.upkeep_turn")
            worker.shouldNotBeAllowed("create table $schema.mine (id int)")
            worker.shouldNotBeAllowed("create function $schema.mine() returns int language sql return 1")
            worker.shouldNotBeAllowed("create or replace function $schema.rank(timestamptz) returns bigint return 1")
            worker.shouldNotBeAllowed("drop schema $schema cascade")
            worker.shouldNotBeAllowed("set role ${owner.name}")
        }

        test("a role without grants is not even shown the tables") {
            val schema = freshSchema()
            val nobody = autoClose(TestRole("nobody"))
            nobody.shouldNotBeAllowed("select $schema.enqueue('granted')")
            nobody.shouldNotBeAllowed("select id from $schema.job")
        }

        test("what runs with the owner's rights looks nothing up where its caller put something of its own") {
            val schema = freshSchema()
            val trap = TestDatabase.freshSchema()
            TestDatabase.execute("create schema $trap authorization ${worker.name}")
            worker.execute(*trapsIn(trap))
            worker.dataSource.connection.use { connection ->
                connection.createStatement().use { statement ->
                    statement.execute("create temp table pg_inherits (inhrelid oid, inhparent oid)")
                    statement.execute("create temp table archive_default (keep_until timestamptz)")
                    statement.execute("set search_path = $trap, pg_temp, pg_catalog")
                    statement.execute("select $schema.prepare_archive('2001-01-01')")
                    statement.execute("select $schema.prune_archive(10)")
                    statement.execute("create temp table offer (lease_id bigint, worker_id uuid)")
                    statement.execute("select $schema.take_offer('granted', 1, true)")
                }
            }
            TestDatabase.query("select * from $trap.ran_as").filter { it != worker.name } shouldBe emptyList()
            TestDatabase.query("select to_regclass('$schema.archive_20010101') is null").single() shouldBe "t"
        }

        test("any role's name is quoted, and everybody is none") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val strange = "a\"b'; drop schema ${kittiwake.schema} cascade; --\n{schema}"
            TestDatabase.execute("create role \"${strange.replace("\"", "\"\"")}\"")
            for (access in Access.entries) TestDatabase.execute(kittiwake.grantSql(strange, access))
            kittiwake.submit(type, Granted()).isNew shouldBe true
            TestDatabase.execute("drop owned by \"${strange.replace("\"", "\"\"")}\"")
            TestDatabase.execute("drop role \"${strange.replace("\"", "\"\"")}\"")
            for (name in listOf("", "x".repeat(64), "a\u0000b")) {
                shouldThrow<IllegalArgumentException> { kittiwake.grantSql(name, Access.WORK) }
                    .message shouldContain "1 to 63 bytes"
            }
            shouldThrow<IllegalArgumentException> { kittiwake.grantSql("public", Access.WORK) }
                .message shouldContain "everybody"
        }
    })

private fun TestRole.shouldNotBeAllowed(sql: String) {
    withClue("$name: $sql") { refusalOf(sql) shouldBe DENIED }
}

/** Functions and operators that stand where the built-in ones are looked for, and write down who ran them. */
private fun trapsIn(schema: String): Array<String> = arrayOf(
    "create table $schema.ran_as (role text)",
    "grant insert on $schema.ran_as to public",
    "grant usage on schema $schema to public",
    "create function $schema.to_char(a date, b text) returns text language plpgsql " +
        "as \$\$ begin insert into $schema.ran_as values (current_user); return pg_catalog.to_char(a, b); end \$\$",
    "create function $schema.to_char(a timestamptz, b text) returns text language plpgsql " +
        "as \$\$ begin insert into $schema.ran_as values (current_user); return pg_catalog.to_char(a, b); end \$\$",
    "create function $schema.now() returns timestamptz language plpgsql " +
        "as \$\$ begin insert into $schema.ran_as values (current_user); return pg_catalog.now(); end \$\$",
    "create function $schema.to_regclass(a text) returns regclass language plpgsql " +
        "as \$\$ begin insert into $schema.ran_as values (current_user); return pg_catalog.to_regclass(a); end \$\$",
    "create function $schema.hashtextextended(a text, b bigint) returns bigint language plpgsql " +
        "as \$\$ begin insert into $schema.ran_as values (current_user); return 1; end \$\$",
)
