package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.assertions.withClue
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.NoTransactionException
import kittiwake.enqueue.EnqueueOptions
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kotlinx.serialization.Serializable
import java.sql.Connection
import java.sql.SQLException
import kotlin.time.Clock
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.hours

@Serializable
data class Mail(val to: String)

class JdbcEnqueueSpec :
    FunSpec({
        val kittiwake = autoClose(TestDatabase.kittiwake())
        val mail = job<Mail>("mail") { unique { it.to } }

        fun <T> inTransaction(block: (Connection) -> T): T = TestDatabase.connect { connection ->
            connection.autoCommit = false
            block(connection)
        }

        test("a job exists when its transaction has committed, and never did when it was rolled back") {
            val kept = inTransaction { c -> kittiwake.enqueue(c, mail, Mail("kept")).also { c.commit() } }
            val gone = inTransaction { c -> kittiwake.enqueue(c, mail, Mail("gone")).also { c.rollback() } }
            kittiwake.find(kept.id).shouldNotBeNull().args shouldBe """{"to":"kept"}"""
            kittiwake.find(gone.id).shouldBeNull()
        }

        test("a savepoint that is rolled back takes its own job with it, and no other") {
            val (before, inside, after) =
                inTransaction { c ->
                    val before = kittiwake.enqueue(c, mail, Mail("before"))
                    val savepoint = c.setSavepoint()
                    val inside = kittiwake.enqueue(c, mail, Mail("inside"))
                    c.rollback(savepoint)
                    val after = kittiwake.enqueue(c, mail, Mail("after"))
                    c.commit()
                    listOf(before.id, inside.id, after.id)
                }
            kittiwake.find(before).shouldNotBeNull()
            kittiwake.find(inside).shouldBeNull()
            kittiwake.find(after).shouldNotBeNull()
        }

        test("a connection in auto-commit mode is refused, with what to do") {
            TestDatabase.connect { c ->
                shouldThrow<NoTransactionException> { kittiwake.enqueue(c, mail, Mail("x")) }
                    .message shouldContain "setAutoCommit(false)"
            }
        }

        test("bad input leaves the transaction usable") {
            val id =
                inTransaction { c ->
                    shouldThrow<IllegalArgumentException> { kittiwake.enqueue(c, mail, Mail("nul \u0000")) }
                        .message shouldContain "$.to contains U+0000"
                    shouldThrow<IllegalArgumentException> { kittiwake.enqueue(c, mail, Mail("y")) { priority = 5_000 } }
                        .message shouldContain "between -1000 and 1000, but was 5000"
                    kittiwake.enqueue(c, mail, Mail("usable")).also { c.commit() }.id
                }
            kittiwake.find(id).shouldNotBeNull()
        }

        test("a read-only transaction and one that has failed are told apart") {
            inTransaction { c ->
                c.createStatement().use { it.execute("set transaction read only") }
                shouldThrow<NoTransactionException> { kittiwake.enqueue(c, mail, Mail("ro")) }
                    .message shouldContain "read-only"
                c.rollback()
            }
            inTransaction { c ->
                runCatching { c.createStatement().use { it.execute("select 1/0") } }
                shouldThrow<NoTransactionException> { kittiwake.enqueue(c, mail, Mail("failed")) }
                    .message shouldContain "already failed"
                c.rollback()
            }
        }

        test("a duplicate answers with the job that exists, keeps its args, and waits for a rival to commit or not") {
            val first = kittiwake.submit(mail, Mail("once"))
            val again = kittiwake.submit(mail, Mail("once"))
            again.id shouldBe first.id
            again.isNew shouldBe false
            val rolledBack =
                inTransaction { c -> kittiwake.enqueue(c, mail, Mail("rolled back")).also { c.rollback() } }
            val next = kittiwake.submit(mail, Mail("rolled back"))
            next.isNew shouldBe true
            (next.id == rolledBack.id) shouldBe false
        }

        test("thousands go in order, in a few statements, each with options of its own") {
            val many = job<Mail>("many")
            val refs =
                inTransaction { c ->
                    kittiwake
                        .enqueueAll(c, many, List(2_500) { Mail("$it") }) { priority = it.to.toInt() % 7 }
                        .also { c.commit() }
                }
            refs.size shouldBe 2_500
            refs.map { it.id.value } shouldContainExactly refs.map { it.id.value }.sorted()
            kittiwake.find(refs[2_468].id)!!.priority shouldBe 2_468 % 7
            kittiwake.find(refs[2_468].id)!!.args shouldBe """{"to":"2468"}"""
        }

        test("jobs that differ in their args alone are stored in order, and each reference is that of its args") {
            val like = job<Mail>("like")
            val refs =
                inTransaction { c ->
                    kittiwake.enqueueAll(c, like, List(2_500) { Mail("$it") }).also { c.commit() }
                }
            refs.map { it.id.value } shouldContainExactly refs.map { it.id.value }.sorted()
            for (i in listOf(0, 1, 999, 1_000, 2_499)) kittiwake.find(refs[i].id)!!.args shouldBe """{"to":"$i"}"""
        }

        test("what is said of a job is stored, whether it goes alone, with its like or with others") {
            fun typeNamed(name: String) = job<Mail>(name) {
                queue = "facts"
                maxAttempts = 7
                retain(completed = 3.days, failed = Duration.INFINITE)
            }

            fun factsOf(id: JobId): String = TestDatabase
                .query(
                    """
                    select concat_ws('|', j.queue, j.priority, args, max_attempts,
                                     j.run_at - enqueued_at > '119 minutes', j.expected_at > enqueued_at, unique_key, parent_id, metadata, keep_completed,
                                     keep_failed, by_hand, r.queue, r.lane, r.rank < 0, r.attempt, s.queue, s.priority,
                                     s.attempt, s.run_at = j.run_at)
                    from ${kittiwake.schema}.job j
                    left join ${kittiwake.schema}.ready r on r.job_id = j.id
                    left join ${kittiwake.schema}.scheduled s on s.job_id = j.id
                    where j.id = $id
                    """,
                ).single()

            val sayings =
                listOf<EnqueueOptions.() -> Unit>(
                    {
                        priority = -3
                        queue = "elsewhere"
                        parent = JobId(7)
                        metadata["tenant"] = """a, "b" and {c} \ d"""
                    },
                    { delay = 2.hours },
                    { runAt = Clock.System.now() + 2.hours },
                    { expectedAt = Clock.System.now() + 1.hours },
                    { uniqueKey = "a key" },
                )
            sayings.forEachIndexed { i, said ->
                val alone = inTransaction { c ->
                    kittiwake.enqueue(c, typeNamed("alone $i"), Mail("x")) { said() }.also { c.commit() }
                }
                val pair = inTransaction { c ->
                    val args = listOf(Mail("x"), Mail("y"))
                    kittiwake.enqueueAll(c, typeNamed("pair $i"), args) { said() }.also { c.commit() }
                }
                val mixed = inTransaction { c ->
                    val args = listOf(Mail("x"), Mail("y"))
                    kittiwake
                        .enqueueAll(c, typeNamed("mixed $i"), args) { if (it.to == "x") said() else priority = 900 }
                        .also { c.commit() }
                }
                val facts = factsOf(alone.id)
                facts shouldContain """{"to":"x"}|7|"""
                factsOf(pair.first().id) shouldBe facts
                factsOf(mixed.first().id) shouldBe facts
                factsOf(mixed.last().id) shouldContain "facts|900|"
            }
        }

        context("plain SQL") {
            val schema = kittiwake.schema

            fun idFrom(sql: String) = JobId(TestDatabase.query(sql).single().toLong())

            test("the function enqueues, with every option") {
                val id =
                    idFrom(
                        """
                        select $schema.enqueue('mail', '{"to":"sql"}', priority => 4,
                            run_at => now() + interval '1 hour', unique_key => 'sql')
                        """,
                    )
                val job = kittiwake.find(id).shouldNotBeNull()
                job.queue.value shouldBe "mail"
                job.priority shouldBe 4
                job.state.shouldBeInstanceOf<JobState.Scheduled>()
                TestDatabase.query("select $schema.enqueue('mail', unique_key => 'sql')").single() shouldBe "$id"
            }

            test("an insert enqueues, in the queue named after the job, and a rollback undoes it") {
                val id = idFrom("insert into $schema.job (name) values ('mail') returning id")
                kittiwake.find(id).shouldNotBeNull().state shouldBe JobState.Ready
                val before = TestDatabase.count(kittiwake, "ready")
                inTransaction { c ->
                    val five = "insert into $schema.job (name, queue) select 'mail', 'x' from generate_series(1, 5)"
                    c.createStatement().use { it.execute(five) }
                    c.rollback()
                }
                TestDatabase.count(kittiwake, "ready") shouldBe before
            }

            test("the view shows all jobs with their state, whatever their args are") {
                TestDatabase.execute("insert into $schema.job (name, args) values ('odd', 'no json')")
                val delayed = kittiwake.submit(mail, Mail("later")) { delay = 2.hours }
                val ofDelayed = "from $schema.jobs where id = ${delayed.id}"
                TestDatabase.query("select state $ofDelayed").single() shouldBe "scheduled"
                TestDatabase.query("select args->>'to' $ofDelayed").single() shouldBe "later"
                val argsOfOdd = "select args #>> '{}' from $schema.jobs where name = 'odd'"
                TestDatabase.query(argsOfOdd).single() shouldBe "no json"
            }

            test("nonsense is refused when it is inserted, with what is wrong, and when a job is changed to it") {
                val id = kittiwake.submit(job<Mail>("sound"), Mail("x")).id
                val wrong =
                    mapOf(
                        "name" to "''" to
                            "no control characters, and not only spaces, but was \"\"",
                        "name" to "repeat('x', 101)" to "1 to 100 characters",
                        "name" to "'kw.x'" to "reserved, but its name was \"kw.x\"",
                        "queue" to "' '" to "1 to 128 characters, no control characters, and not only spaces",
                        "priority" to "2000" to "between -1000 and 1000, but was 2000",
                        "max_attempts" to "0" to "at least 1, but was 0",
                        "run_at" to "'infinity'" to "run_at must be a time, but was infinity",
                        "expected_at" to "'-infinity'" to "expected_at must be a time, but was -infinity",
                        "unique_key" to "''" to "null or have 1 character at least",
                        "metadata" to "'[]'" to "a JSON object of strings",
                    )
                for ((said, problem) in wrong) {
                    val (column, value) = said
                    val columns = if (column == "name") "name" else "name, $column"
                    val values = if (column == "name") value else "'n', $value"
                    for (sql in listOf(
                        "insert into $schema.job ($columns) values ($values)",
                        "update $schema.job set $column = $value where id = $id",
                    )) {
                        withClue(sql) {
                            val refused = shouldThrow<SQLException> { TestDatabase.execute(sql) }
                            refused.sqlState shouldBe "23514"
                            refused.message shouldContain problem
                        }
                    }
                }
                shouldThrow<SQLException> { TestDatabase.execute("insert into $schema.job (name) values (null)") }
                    .sqlState shouldBe "23502"
            }
        }

        test("after close nothing is enqueued, and the caller's transaction is untouched") {
            val closed = TestDatabase.kittiwake().also { it.close() }
            inTransaction { c ->
                shouldThrow<IllegalStateException> { closed.enqueue(c, mail, Mail("x")) }
                    .message shouldBe "Kittiwake is closed"
                c.createStatement().use { it.execute("select 1") }
                c.commit()
            }
            shouldThrow<IllegalStateException> { closed.submit(mail, Mail("x")) }
        }
    })
