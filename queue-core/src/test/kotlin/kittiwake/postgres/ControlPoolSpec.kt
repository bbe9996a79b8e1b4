package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.testing.TestDatabase
import java.lang.reflect.Proxy
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.atomic.AtomicInteger
import javax.sql.DataSource
import kotlin.time.Duration.Companion.seconds

class ControlPoolSpec :
    FunSpec({
        test("goes on with the next connection when the first one breaks while it is set up") {
            val opened = AtomicInteger()
            val users =
                object : DataSource by TestDatabase.dataSource {
                    override fun getConnection(): Connection = TestDatabase.dataSource.connection.let {
                        if (opened.incrementAndGet() == 1) breaking(it) else it
                    }
                }
            val pool = autoClose(ControlPool(ConnectionSource(users), size = 1))
            eventually(4.seconds) { pool.use(::level) shouldBe Connection.TRANSACTION_READ_COMMITTED }
        }
    })

private fun level(connection: Connection): Int = connection.transactionIsolation

/** A connection that is lost as soon as somebody asks for its isolation level. */
private fun breaking(real: Connection): Connection = Proxy.newProxyInstance(
    real.javaClass.classLoader,
    arrayOf(Connection::class.java),
) { _, method, arguments ->
    if (method.name == "getTransactionIsolation") throw SQLException("the connection was lost", "08006")
    method.invoke(real, *arguments.orEmpty())
} as Connection
