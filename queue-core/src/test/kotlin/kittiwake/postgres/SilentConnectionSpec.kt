package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kittiwake.testing.Wire
import kotlinx.serialization.Serializable
import org.postgresql.ds.PGSimpleDataSource
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.CompletableFuture
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.seconds

@Serializable
private class Heard

/** Connections that neither speak nor break. */
class SilentConnectionSpec :
    FunSpec({
        test("the engine gives up opening one") {
            val wire = autoClose(Wire(TestDatabase.url))
            val source = ConnectionSource(wire.dataSource)
            source.openListener(10.seconds).close()
            wire.mute()
            listOf({ source.open("test", 10.seconds) }, { source.openListener(10.seconds) })
                .map { open -> CompletableFuture.runAsync { shouldThrow<SQLException> { open() } } }
                .forEach { it.get(40, TimeUnit.SECONDS) }
            wire.heal()
            source.open("test", 10.seconds).close()
        }

        test("the user's own data source stays as it was") {
            val users = PGSimpleDataSource().also { it.setURL(TestDatabase.url) }
            Kittiwake.connect(users) { schema = TestDatabase.freshSchema() }.use { kittiwake ->
                kittiwake.migrate()
                kittiwake.submit(job<Heard>("heard"), Heard())
            }
            users.loginTimeout shouldBe 0
            users.socketTimeout shouldBe 0
        }

        test("a data source that opens connections in a way of its own is asked for each of them") {
            val opened = AtomicInteger()
            val own = object : PGSimpleDataSource() {
                override fun getConnection(): Connection = super.getConnection().also { opened.incrementAndGet() }
            }
            own.setURL(TestDatabase.url)
            val source = ConnectionSource(own)
            source.open("test", 10.seconds).close()
            source.openListener(10.seconds).close()
            opened.get() shouldBe 2
        }
    })
