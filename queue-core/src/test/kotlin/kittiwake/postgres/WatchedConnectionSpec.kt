package kittiwake.postgres

import com.zaxxer.hikari.HikariConfig
import com.zaxxer.hikari.HikariDataSource
import io.kotest.assertions.nondeterministic.eventually
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.job.JobState
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kittiwake.testing.aWorkerOf
import kittiwake.testing.images
import kittiwake.testing.insertOne
import org.postgresql.PGConnection
import org.postgresql.PGStatement
import org.postgresql.core.BaseConnection
import org.postgresql.core.TransactionState
import org.postgresql.ds.PGSimpleDataSource
import org.postgresql.jdbc.PgResultSet
import java.lang.reflect.Proxy
import java.sql.Connection
import java.sql.ResultSet
import java.sql.SQLException
import java.sql.Statement
import javax.sql.DataSource
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@OptIn(KittiwakeSpi::class)
class WatchedConnectionSpec :
    FunSpec({
        val kittiwake = autoClose(TestDatabase.kittiwake())
        TestDatabase.execute("create table ${kittiwake.schema}.effect (number int, words text[])")
        val watched = WatchedDataSource(TestDatabase.dataSource)
        val handlers = Handlers(kittiwake)

        context("a transaction that ends under its handler is found out, when it ends by") {
            for ((way, deed) in endings) {
                test(way) { handlers.work(watched, deed) shouldBe Worked.IN_ANOTHER_TRANSACTION }
            }
            for (text in endingTexts) {
                test("the text $text") {
                    handlers.work(watched) { it.run(text) } shouldBe Worked.IN_ANOTHER_TRANSACTION
                }
            }

            test("a text in the transaction that failed before") {
                handlers.work(watched) {
                    runCatching { it.run("select 1 / 0") }
                    it.run("rollback")
                } shouldBe Worked.IN_ANOTHER_TRANSACTION
            }

            test("a text that was prepared before it began") {
                watched.connection.use { connection ->
                    val kept = connection.prepareStatement("commit")
                    handlers.work(connection) { kept.execute() } shouldBe Worked.IN_ANOTHER_TRANSACTION
                }
            }

            test("a driver that reaches for another server") {
                val servers = List(2) { TestDatabase.dataSource.connection }
                var server = servers.first()
                val failsOver = Proxy.newProxyInstance(javaClass.classLoader, arrayOf(Connection::class.java)) {
                    _,
                    method,
                    values,
                    ->
                    method.invoke(server, *values.orEmpty())
                } as Connection
                WatchedConnection(failsOver).use { connection ->
                    handlers.work(connection) {
                        server = servers.last().also { it.autoCommit = false }
                    } shouldBe Worked.IN_ANOTHER_TRANSACTION
                }
                servers.forEach { it.close() }
            }

            test("what was handed out before it began") {
                watched.connection.use { connection ->
                    val metadata = connection.metaData
                    handlers.work(connection) { metadata.connection.commit() } shouldBe Worked.IN_ANOTHER_TRANSACTION
                }
            }
        }

        context("a transaction is not marked, and ends with its job, when its handler") {
            for ((what, deed) in harmless) {
                test(what) { handlers.work(watched, deed) shouldBe Worked.WITHOUT_MARK }
            }
        }

        test("a transaction is not marked when its handler enqueues") {
            val type = job<String>("watched")
            handlers.work(TestDatabase.dataSource) {
                kittiwake.enqueue(it, type, "the first finds out about the schema")
            }
            handlers.work(watched) { kittiwake.enqueue(it, type, "another") } shouldBe Worked.WITHOUT_MARK
            handlers.work(watched) { kittiwake.enqueueAll(it, type, listOf("one", "two")) } shouldBe Worked.WITHOUT_MARK
        }

        test("a connection that a handler closes has rolled back, whatever its pool does") {
            TestDatabase.dataSource.connection.use { pooled ->
                val kept = object : Connection by pooled {
                    override fun close() = Unit
                }
                WatchedConnection(kept).use {
                    it.autoCommit = false
                    handlers.open(it)
                    it.run("create table ${kittiwake.schema}.left_open (number int)")
                }
                pooled.unwrap(BaseConnection::class.java).transactionState shouldBe TransactionState.IDLE
                TestDatabase.query("select to_regclass('${kittiwake.schema}.left_open') is null") shouldBe listOf("t")
            }
        }

        test("a connection that is lost can be closed") {
            val connection = watched.connection.also { it.autoCommit = false }
            handlers.open(connection)
            val backend = connection.ask("select pg_backend_pid()")
            TestDatabase.execute("select pg_terminate_backend($backend)")
            val session = "select from pg_stat_activity where pid = $backend"
            eventually(20.seconds) { TestDatabase.query(session).size shouldBe 0 }
            connection.close()
            connection.isClosed shouldBe true
        }

        context("a transaction is marked, and ends with its job, when its handler") {
            for ((what, deed) in doubtful) {
                test(what) { handlers.work(watched, deed) shouldBe Worked.MARKED }
            }
        }

        test("a connection that nobody watches is marked at the beginning") {
            handlers.work(TestDatabase.dataSource) { } shouldBe Worked.MARKED
            handlers.work(TestDatabase.dataSource) { it.commit() } shouldBe Worked.IN_ANOTHER_TRANSACTION
        }

        test("a transaction that failed has no metadata that needs a mark, and cannot complete the job") {
            watched.connection.use { connection ->
                shouldThrow<SQLException> {
                    handlers.work(connection) {
                        runCatching { it.run("select 1 / 0") }
                        it.metaData.driverName shouldBe "PostgreSQL JDBC Driver"
                    }
                }.message shouldContain "current transaction is aborted"
            }
        }

        test("a connection behind which the driver is not to be seen is marked at the beginning") {
            fun opaque() = object : Connection by TestDatabase.dataSource.connection {
                override fun isWrapperFor(type: Class<*>) = throw SQLException("not told")
            }
            opaque().use { handlers.work(it) { } } shouldBe Worked.MARKED
            WatchedConnection(opaque()).use { handlers.work(it) { } } shouldBe Worked.MARKED
        }

        test("a connection in auto-commit mode is refused, with what to do") {
            watched.connection.use { connection ->
                connection.autoCommit = true
                shouldThrow<IllegalStateException> { handlers.open(connection) }
                    .message shouldContain "Call setAutoCommit(false) first"
            }
        }

        context("with a pool") {
            val around = HikariDataSource(HikariConfig().also { it.jdbcUrl = TestDatabase.url })
            val inside = HikariDataSource(HikariConfig().also { it.dataSource = watched })
            listOf("behind it" to WatchedDataSource(around), "in it" to inside).forEach { (where, source) ->
                test("$where, one transaction after another is its own") {
                    handlers.work(source) { it.commit() } shouldBe Worked.IN_ANOTHER_TRANSACTION
                    handlers.work(source) { it.run("select 1") } shouldBe Worked.WITHOUT_MARK
                    handlers.work(source) { it.run("savepoint s") } shouldBe Worked.MARKED
                    handlers.work(source) { it.run("select 1") } shouldBe Worked.WITHOUT_MARK
                }
            }
            afterSpec { listOf(around, inside).forEach { it.close() } }

            test("the engine's own connections are not watched, and the pool behind is known") {
                for (source in listOf(WatchedDataSource(around), inside, watched)) {
                    ConnectionSource(source).dataSource.shouldBeInstanceOf<PGSimpleDataSource>()
                }
                ConnectionSource(WatchedDataSource(around)).connectionsForHandlers shouldBe around.maximumPoolSize
            }
        }

        test("it unwraps to what is behind it, and to itself") {
            watched.unwrap(PGSimpleDataSource::class.java) shouldBe TestDatabase.dataSource
            watched.isWrapperFor(HikariDataSource::class.java) shouldBe false
            watched.connection.use { connection ->
                connection.isWrapperFor(PGConnection::class.java) shouldBe true
                connection.unwrap(PGConnection::class.java).backendPID shouldBe
                    connection.ask("select pg_backend_pid()")
                connection.unwrap(WatchedConnection::class.java) shouldBe connection
                connection.prepareStatement("select 1").use { it.connection shouldBe connection }
            }
        }
    })

private enum class Worked { WITHOUT_MARK, MARKED, IN_ANOTHER_TRANSACTION }

/** Works jobs as an integration does, each in a transaction that the fence ends. */
@OptIn(KittiwakeSpi::class)
private class Handlers(private val kittiwake: Kittiwake) {
    suspend fun work(source: DataSource, deed: (Connection) -> Unit): Worked = source.connection.use { work(it, deed) }

    suspend fun work(connection: Connection, deed: (Connection) -> Unit): Worked {
        val before = kittiwake.effects()
        connection.autoCommit = false
        val claim = open(connection)
        try {
            deed(connection)
            connection.run("insert into ${kittiwake.schema}.effect values (2)")
            val isMarked = connection.ask("select coalesce(current_setting('kittiwake.claim', true), '')") != ""
            kittiwake.fence().commit(connection, claim, null, 5.milliseconds)
            kittiwake.find(claim.id)!!.state.shouldBeInstanceOf<JobState.Ended>()
            kittiwake.effects() shouldBe before + 1
            return if (isMarked) Worked.MARKED else Worked.WITHOUT_MARK
        } catch (e: IllegalStateException) {
            connection.rollback()
            e.message shouldContain "is not the one that it began with"
            kittiwake.find(claim.id)!!.state.shouldBeInstanceOf<JobState.Running>()
            kittiwake.effects() shouldBe before
            return Worked.IN_ANOTHER_TRANSACTION
        }
    }

    suspend fun open(connection: Connection) = kittiwake.store.run {
        val worker = aWorkerOf(this)
        insertOne()
        claim(worker, images, 1).single().also { kittiwake.fence().open(connection, it) }
    }

    private fun Kittiwake.effects(): Long = TestDatabase.count(this, "effect")
}

private val endings = mapOf<String, (Connection) -> Unit>(
    "commit()" to { it.commit() },
    "rollback()" to { it.rollback() },
    "setAutoCommit()" to {
        it.autoCommit = true
        it.autoCommit = false
    },
    "a statement that is not prepared" to { it.createStatement().use { any -> any.execute("commit") } },
    "a batch that is not prepared" to { c ->
        c.createStatement().use {
            it.addBatch("commit")
            it.executeBatch()
        }
    },
    "prepare transaction" to {
        it.run("prepare transaction 'watched'")
        TestDatabase.execute("rollback prepared 'watched'")
    },
    "another text for a prepared statement" to {
        it.prepareStatement("select 1").execute("commit", Statement.RETURN_GENERATED_KEYS)
    },
    "the driver's own connection" to {
        it.unwrap(PGConnection::class.java).let { own ->
            (own as Connection).commit()
        }
    },
    "the connection of its metadata" to { it.metaData.connection.commit() },
    "the connection of a prepared statement" to { it.prepareStatement("select 1").connection.commit() },
    "the connection of another statement" to { it.createStatement().connection.commit() },
    "the connection of a call" to { it.prepareCall("select 1").connection.commit() },
    "the connection behind a prepared statement" to {
        (it.prepareStatement("select 1").unwrap(PGStatement::class.java) as Statement).connection.commit()
    },
    "the connection of a result" to { it.prepareStatement("select 1").executeQuery().commit() },
    "the connection of the current result" to { c ->
        c.prepareStatement("select 1").also { it.execute() }.resultSet.commit()
    },
    "the connection behind a result" to { c ->
        val result = c.prepareStatement("select 1").executeQuery()
        result.unwrap(PgResultSet::class.java).commit()
    },
    "the connection of generated keys" to { c ->
        val statement = c.prepareStatement("select 1", Statement.RETURN_GENERATED_KEYS).also { it.execute() }
        statement.generatedKeys.commit()
    },
    "the connection of an array's result" to { it.row("select array[1]").getArray(1).resultSet.commit() },
    "the connection of an object's result" to {
        (it.row("select array[1]").getObject(1) as java.sql.Array).resultSet.commit()
    },
    "the connection of a typed object's result" to {
        it.row("select array[1] as a").getObject("a", java.sql.Array::class.java).resultSet.commit()
    },
    "the connection of a new array's result" to { it.createArrayOf("int", arrayOf(1)).resultSet.commit() },
    "the connection of a cursor's result" to {
        it.run("declare c cursor for select 1")
        (it.row("select 'c'::refcursor").getObject(1) as ResultSet).commit()
    },
)

private val endingTexts = listOf(
    "commit",
    "END",
    "rollback",
    "Abort",
    "commit and chain",
    "/* now */commit",
    "--\nend",
    "select 1;commit",
    "(select 1);end;select 2",
    "{ojcommit}",
    "com{oj mit}",
    "com{fn xmit}",
    "select {d '2020-01-01';com}mit",
)

private val harmless = mapOf<String, (Connection) -> Unit>(
    "does nothing" to { },
    "reads" to { it.ask("select 1") shouldBe 1 },
    "writes" to { it.run("create temporary table notes (note text)") },
    "uses words that begin or end like those" to
        { it.run("select 1 as ended, 2 as send, 3 as \"committed\", 4 as _end1") },
    "has many rows counted" to { it.prepareStatement("select 1").apply { execute() }.largeUpdateCount shouldBe -1 },
    "counts what it wrote as a long" to { c ->
        c.prepareStatement("create temporary table notes as select 1").use { it.executeLargeUpdate() shouldBe 1 }
    },
    "reads what a statement generated" to { c ->
        c.prepareStatement("create temporary table notes (id int)").use { it.execute() }
        c.prepareStatement("insert into notes values (5)", Statement.RETURN_GENERATED_KEYS).use {
            it.execute()
            it.generatedKeys.also { keys -> keys.next() }.getInt(1) shouldBe 5
        }
    },
)

private val doubtful = mapOf<String, (Connection) -> Unit>(
    "takes a savepoint, and goes back to it" to {
        val savepoint = it.setSavepoint()
        it.run("select 1")
        it.rollback(savepoint)
    },
    "takes a savepoint with a name, and releases it" to { it.releaseSavepoint(it.setSavepoint("here")) },
    "takes a savepoint by a text, and goes back to it" to {
        it.run("savepoint here")
        it.run("select 1")
        it.run("rollback to savepoint here")
    },
    "asks for cases" to { it.ask("select case when true then 1 end") shouldBe 1 },
    "has such a word in a string" to { it.ask("select 'to the end'") shouldBe "to the end" },
    "uses a statement that is not prepared" to { c -> c.createStatement().use { it.execute("select 1") } },
    "makes an array" to { it.createArrayOf("int", arrayOf(1)).free() },
    "asks for metadata" to { it.metaData.databaseMajorVersion },
)

private fun Connection.run(sql: String) {
    prepareStatement(sql).use { it.execute() }
}

private fun Connection.row(sql: String): ResultSet = prepareStatement(sql).executeQuery().also { it.next() }

private fun Connection.ask(sql: String): Any? = row(sql).use { it.getObject(1) }

/** Commits through the connection that a result leads to. */
private fun ResultSet.commit() = statement.connection.commit()
