package chaos.proxy

import chaos.TestServer.server
import chaos.proxy.Traffic.Moment
import io.kotest.assertions.nondeterministic.eventually
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.comparables.shouldBeGreaterThanOrEqualTo
import io.kotest.matchers.ints.shouldBeGreaterThan
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldStartWith
import java.sql.Connection
import java.sql.DriverManager
import java.sql.SQLException
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.measureTime

/** With a real server and its driver: what they say to each other is what has to be understood. */
class ProxySpec :
    FunSpec({
        val proxy = autoClose(Proxy("127.0.0.1", server.port))
        beforeSpec { server.execute("create table if not exists passed (n int)") }
        beforeTest {
            proxy.traffic = Traffic.Pass
            proxy.reset()
            server.execute("truncate passed")
        }

        fun connect(timeout: Duration = 20.seconds): Connection =
            DriverManager.getConnection(server.url(proxy.port) + "&socketTimeout=${timeout.inWholeSeconds}")

        fun Connection.ask(sql: String): String = createStatement().use { statement ->
            statement.executeQuery(sql).use { rows ->
                rows.next()
                rows.getString(1)
            }
        }

        fun Connection.insert(n: Int, name: String = "") {
            prepareStatement("${name}insert into passed values (?)").use {
                it.setInt(1, n)
                it.executeUpdate()
            }
        }

        fun rows(): List<String?> = server.askAll("select n from passed order by n")

        fun strikes(strike: Strike): Int = proxy.strikes().getValue(strike)

        fun backends(connection: Connection): suspend () -> String? {
            val pid = connection.ask("select pg_backend_pid()")
            return { server.ask("select count(*) from pg_stat_activity where pid = $pid") }
        }

        test("passes everything on, long answers and long statements too") {
            connect().use { connection ->
                connection.ask("select length(repeat('x', 3000000))") shouldBe "3000000"
                connection.ask("select repeat('x', 300000)").length shouldBe 300_000
                connection.ask("select length('${"y".repeat(200_000)}')") shouldBe "200000"
                connection.autoCommit = false
                (1..1000).forEach { connection.insert(it) }
                connection.commit()
            }
            rows().size shouldBe 1000
        }

        test("ends the one side when the other side ends") {
            val connection = connect()
            val backends = backends(connection)
            backends() shouldBe "1"
            connection.close()
            eventually(5.seconds) {
                backends() shouldBe "0"
                proxy.connections shouldBe 0
            }
        }

        test("tells the client why the server ended the connection") {
            connect().use { connection ->
                val pid = connection.ask("select pg_backend_pid()")
                server.ask("select pg_terminate_backend($pid)") shouldBe "t"
                shouldThrow<SQLException> { connection.ask("select 1") }.sqlState shouldBe "57P01"
            }
        }

        test("in a black hole neither side hears of the other, and the connection is reset when it heals") {
            val connection = connect(timeout = 1.seconds)
            val backends = backends(connection)
            proxy.traffic = Traffic.Blackhole()
            shouldThrow<SQLException> { connection.ask("select 1") }
            connection.isClosed shouldBe true
            strikes(Strike.SWALLOWED_TO_SERVER) shouldBeGreaterThan 0
            backends() shouldBe "1"
            proxy.traffic = Traffic.Pass
            eventually(5.seconds) { backends() shouldBe "0" }
            connect().use { it.ask("select 1") shouldBe "1" }
        }

        test("a connection that said nothing in the black hole goes on when it heals") {
            connect().use { connection ->
                val pid = connection.ask("select pg_backend_pid()")
                proxy.traffic = Traffic.Blackhole()
                proxy.traffic = Traffic.Pass
                connection.ask("select pg_backend_pid()") shouldBe pid
            }
        }

        test("what the server answers into a black hole has happened, and is never heard") {
            val connection = connect(timeout = 1.seconds)
            proxy.traffic = Traffic.Blackhole(toServer = false)
            shouldThrow<SQLException> { connection.insert(1) }
            rows() shouldBe listOf("1")
            strikes(Strike.SWALLOWED_TO_CLIENT) shouldBeGreaterThan 0
        }

        test("what a client says into a black hole never happens, while it hears the server") {
            val connection = connect(timeout = 1.seconds)
            proxy.traffic = Traffic.Blackhole(toClient = false)
            shouldThrow<SQLException> { connection.insert(1) }
            proxy.traffic = Traffic.Pass
            connect().use { it.insert(2) }
            rows() shouldBe listOf("2")
        }

        test("takes new connections into the black hole, where nobody greets them") {
            proxy.traffic = Traffic.Blackhole()
            shouldThrow<SQLException> { connect(timeout = 1.seconds) }
        }

        test("refuses new connections, and keeps the others") {
            connect().use { connection ->
                proxy.traffic = Traffic.Refuse
                shouldThrow<SQLException> { connect() }
                strikes(Strike.REFUSED) shouldBe 1
                connection.ask("select 1") shouldBe "1"
            }
        }

        test("is late both ways") {
            connect().use { connection ->
                proxy.traffic = Traffic.Delay(100.milliseconds, 120.milliseconds)
                measureTime { connection.ask("select 1") } shouldBeGreaterThanOrEqualTo 200.milliseconds
                strikes(Strike.DELAYED) shouldBeGreaterThan 1
            }
        }

        test("resets all connections at once, on either side") {
            val connection = connect()
            val backends = backends(connection)
            proxy.reset() shouldBe 1
            shouldThrow<SQLException> { connection.ask("select 1") }.cause?.message shouldStartWith "Connection reset"
            eventually(5.seconds) { backends() shouldBe "0" }
        }

        test("cut before the commit, nothing is there") {
            connect().use { connection ->
                connection.autoCommit = false
                connection.insert(1)
                proxy.traffic = Traffic.Cut(Moment.BEFORE)
                shouldThrow<SQLException> { connection.commit() }.sqlState shouldBe "08006"
            }
            strikes(Strike.CUT_BEFORE_COMMIT) shouldBe 1
            rows() shouldBe emptyList()
        }

        test("cut after the commit, everything is there, though the commit failed") {
            connect().use { connection ->
                connection.autoCommit = false
                connection.insert(1)
                proxy.traffic = Traffic.Cut(Moment.AFTER)
                shouldThrow<SQLException> { connection.commit() }.sqlState shouldBe "08006"
            }
            strikes(Strike.CUT_AFTER_COMMIT) shouldBe 1
            rows() shouldBe listOf("1")
        }

        test("knows a COMMIT that the driver has given a name to, and cuts one in so many") {
            val before = strikes(Strike.CUT_AFTER_COMMIT)
            connect().use { connection ->
                connection.autoCommit = false
                proxy.traffic = Traffic.Pass
                repeat(20) {
                    connection.insert(it)
                    connection.commit()
                }
                proxy.traffic = Traffic.Cut(Moment.AFTER, every = 2)
                connection.insert(20)
                shouldThrow<SQLException> { connection.commit() }
            }
            connect().use { connection ->
                connection.autoCommit = false
                connection.insert(21)
                connection.commit()
                connection.insert(22)
                shouldThrow<SQLException> { connection.commit() }
            }
            strikes(Strike.CUT_AFTER_COMMIT) shouldBe before + 2
            rows().size shouldBe 23
        }

        listOf(false, true).forEach { isNamed ->
            val how = if (isNamed) "prepared on the server" else "new"
            val once = if (isNamed) 10 else 0

            test("a statement of the library that is a transaction of its own, $how, is cut after it has committed") {
                val before = strikes(Strike.CUT_AFTER_STATEMENT)
                connect().use { connection ->
                    repeat(once) { connection.insert(0, END_JOBS) }
                    proxy.traffic = Traffic.Cut(Moment.AFTER)
                    connection.insert(-1)
                    shouldThrow<SQLException> { connection.insert(1, END_JOBS) }
                }
                strikes(Strike.CUT_AFTER_STATEMENT) shouldBe before + 1
                rows() shouldBe listOf("-1") + List(once) { "0" } + "1"
            }

            test("a statement of the library that is a transaction of its own, $how, is cut before it is run") {
                val before = strikes(Strike.CUT_BEFORE_STATEMENT)
                connect().use { connection ->
                    repeat(once) { connection.insert(0, END_JOBS) }
                    proxy.traffic = Traffic.Cut(Moment.BEFORE)
                    shouldThrow<SQLException> { connection.insert(1, END_JOBS) }
                }
                strikes(Strike.CUT_BEFORE_STATEMENT) shouldBe before + 1
                rows() shouldBe List(once) { "0" }
            }
        }

        test("a statement of the library in somebody's transaction is not taken for a commit") {
            connect().use { connection ->
                connection.autoCommit = false
                proxy.traffic = Traffic.Cut(Moment.AFTER)
                connection.insert(1, END_JOBS)
                connection.insert(2, END_JOBS)
                connection.rollback()
                proxy.traffic = Traffic.Cut(Moment.BEFORE)
                connection.insert(3, END_JOBS)
                connection.insert(4, END_JOBS)
                proxy.traffic = Traffic.Pass
                connection.commit()
            }
            rows() shouldBe listOf("3", "4")
        }

        test("a statement that failed has committed nothing, and is not cut") {
            connect().use { connection ->
                proxy.traffic = Traffic.Cut(Moment.AFTER)
                val failed = shouldThrow<SQLException> { connection.ask("${END_JOBS}select 1 / 0") }
                failed.sqlState shouldBe "22012"
                connection.ask("select 1") shouldBe "1"
            }
        }
    })

private const val END_JOBS = "/* kittiwake: end jobs */\n"
