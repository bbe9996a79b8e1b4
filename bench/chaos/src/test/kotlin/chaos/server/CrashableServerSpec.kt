package chaos.server

import chaos.TestServer.server
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.ints.shouldBeAtLeast
import io.kotest.matchers.shouldBe
import java.sql.SQLException

class CrashableServerSpec :
    FunSpec({
        test("keeps every commit that it has acknowledged, and comes back on the same port") {
            server.execute("create table kept (n int)")
            val url = server.url()
            val connection = server.connect()
            (1..20).forEach { n -> connection.createStatement().use { it.execute("insert into kept values ($n)") } }
            connection.autoCommit = false
            connection.createStatement().use { it.execute("insert into kept values (21)") }
            val start = server.log.end
            server.crash()
            server.isUp shouldBe false
            shouldThrow<SQLException> { connection.commit() }
            shouldThrow<SQLException> { server.connect() }
            server.restart()
            server.url() shouldBe url
            server.ask("select count(*) from kept") shouldBe "20"
            server.log.count(start, "automatic recovery in progress") shouldBe 1
        }

        test("recovers by itself when one of its processes is killed") {
            val start = server.log.end
            server.connect().use { server.crashBackend() shouldBe true }
            server.awaitAnswer()
            server.log.count(start, "automatic recovery in progress") shouldBeAtLeast 1
            server.ask("select 1") shouldBe "1"
        }

        test("syncs what it commits") {
            listOf("fsync", "synchronous_commit", "full_page_writes").map { server.ask("show $it") } shouldBe
                listOf("on", "on", "on")
        }

        test("writes its errors with their SQLSTATE") {
            val start = server.log.end
            shouldThrow<SQLException> { server.execute("select 1 / 0") }
            server.log.count(start, "22012") shouldBeAtLeast 1
        }
    })
