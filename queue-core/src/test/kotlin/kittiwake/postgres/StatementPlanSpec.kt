package kittiwake.postgres

import io.kotest.core.annotation.Tags
import io.kotest.core.spec.style.FunSpec
import io.kotest.core.spec.style.scopes.FunSpecContainerScope
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.string.shouldNotContain
import kittiwake.KittiwakeSpi
import kittiwake.postgres.statement.hotStatements
import kittiwake.testing.TestDatabase
import java.sql.Connection
import kotlin.time.Duration.Companion.seconds

/**
 * The plans of hot statements, as the engine's connections make them, at 0, 10 and 1,000,000 rows, and at 10,000 of
 * which the statistics know nothing: by index, without a sort of what waits, without a loop over loops.
 */
@Tags("AnyJdk")
@OptIn(KittiwakeSpi::class)
class StatementPlanSpec :
    FunSpec({
        for (rows in listOf(0, 10, 1_000_000)) {
            context("at $rows rows") {
                val kittiwake = autoClose(TestDatabase.kittiwake())
                val schema = Schema(kittiwake.schema)
                fill(schema, rows)
                val statements = hotStatements(schema)
                for ((name, statement) in statements) plans(name, statement.text)
                for (name in listOf("complete job", "forget job")) {
                    test("$name goes by index in a transaction of the user's, too") {
                        planInTransactionOfUser(statements.getValue(name).text) shouldNotContain "Seq Scan"
                    }
                }
            }
        }
        context("at 10,000 rows, with the statistics of empty tables") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val schema = Schema(kittiwake.schema)
            fillUnseen(schema, 10_000)
            for ((name, statement) in hotStatements(schema)) plans(name, statement.text)
        }
    })

private suspend fun FunSpecContainerScope.plans(name: String, sql: String) {
    test("$name goes by index") {
        val plan = planOf(sql)
        for (table in listOf("job", "ready", "scheduled", "archive", "attempt", "offer")) {
            plan shouldNotContain "Seq Scan on $table"
        }
        plan shouldNotContain "Bitmap Heap Scan"
        if (name in TAKES) {
            plan shouldContain "Index Scan using ready_pkey"
            plan.substringBefore("CTE taken") shouldNotContain "Sort"
        }
        if (name in READS) {
            plan shouldContain "Index Scan using job_pkey"
            plan shouldContain "Index Scan using attempt_pkey"
            plan.substringAfter("CTE lease") shouldContain "Index Cond: (id = ANY"
        }
        JOINS[name]?.let { plan.substringAfter("CTE $it") shouldNotContain "Nested Loop" }
        if (name in ENDS) plan shouldContain "lease_pkey"
        if (name == "look for jobs") {
            plan shouldContain "ready_pkey"
            plan shouldContain "scheduled_due_idx"
            plan shouldNotContain "Sort"
        }
    }
}

/** Among statements that are sent together the last that has a name. */
private fun named(sql: String): String = sql.split(';').last { "/* kittiwake" in it }

/** After these parts as many rows as a batch has are joined with as many: a loop over loops takes the square of it. */
private val JOINS = mapOf("claim jobs" to "lease", "end jobs" to "archived")

private val TAKES = setOf("claim jobs", "take tickets", "sweep tickets")

private val READS = setOf("claim jobs", "read jobs")

private val ENDS = setOf("end jobs", "forget jobs", "complete job", "forget job")

private fun planOf(sql: String): String =
    ConnectionSource(TestDatabase.dataSource).open("plans", 60.seconds).use { explain(it, sql) }

/** As the user's connections make it and keep it, after what comes before it. */
private fun planInTransactionOfUser(sql: String): String = TestDatabase.dataSource.connection.use { connection ->
    connection.autoCommit = false
    connection.createStatement().use {
        it.execute("set local plan_cache_mode = force_generic_plan")
        it.execute(sql.substringBeforeLast("/* kittiwake"))
    }
    explain(connection, sql).also { connection.rollback() }
}

private fun explain(connection: Connection, sql: String): String {
    var parameters = 0
    val numbered = Regex("""\?""").replace(named(sql)) { "\$${++parameters}" }
    return connection.createStatement().use { statement ->
        statement.execute("prepare hot as $numbered")
        val nulls = List(parameters) { "null" }.joinToString()
        val call = if (parameters == 0) "hot" else "hot($nulls)"
        val plan =
            statement.executeQuery("explain (costs off) execute $call").use { lines ->
                buildString { while (lines.next()) appendLine(lines.getString(1)) }
            }
        statement.execute("deallocate hot")
        plan
    }
}

/** What a queue is that was empty when autovacuum came, as healthy ones are, and then got [rows] jobs. */
private fun fillUnseen(schema: Schema, rows: Int) {
    val s = schema.quoted
    val tables = listOf("job", "ready", "scheduled", "archive").map { "$s.$it" }
    for (table in tables.take(3)) TestDatabase.execute("alter table $table set (autovacuum_enabled = off)")
    fill(schema, rows)
    TestDatabase.execute(tables.joinToString(";") { "delete from $it" })
    for (table in tables) TestDatabase.execute("vacuum (analyze, truncate off) $table")
    store(schema, rows)
}

private fun fill(schema: Schema, rows: Int) {
    store(schema, rows)
    val s = schema.quoted
    TestDatabase.execute("analyze $s.job, $s.ready, $s.scheduled, $s.archive")
}

private fun store(schema: Schema, rows: Int) {
    val s = schema.quoted
    TestDatabase.execute(
        """
        insert into $s.job (name, queue, priority, args, by_hand)
            select 'load', 'load', 0, '{}', false from generate_series(1, $rows);
        insert into $s.ready (queue, lane, rank, job_id, attempt) select queue, 0, 1000, id, 0 from $s.job;
        insert into $s.scheduled (job_id, queue, run_at, priority, attempt)
            select id, 'load', now() + id * interval '1 second', 0, 0 from $s.job;
        insert into $s.archive (id, name, queue, priority, args, ending, attempt, max_attempts,
                enqueued_at, ended_at, keep_until)
            select -id, 'load', 'load', 0, '{}', 'completed', 1, 20, now(), now(), now() from $s.job;
        """.trimIndent(),
    )
}
