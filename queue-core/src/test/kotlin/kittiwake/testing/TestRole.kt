package kittiwake.testing

import java.sql.SQLException
import java.util.concurrent.atomic.AtomicInteger
import javax.sql.DataSource

/** A role of the test database that may do nothing yet, and is dropped with all it owns. */
class TestRole(purpose: String, password: String = "secret") : AutoCloseable {
    val name = "${purpose}_${ProcessHandle.current().pid()}_${numbers.incrementAndGet()}"

    val dataSource: DataSource = TestDatabase.dataSource {
        user = name
        setPassword(password)
    }

    init {
        TestDatabase.execute("create role $name login password '$password'")
    }

    fun execute(vararg statements: String) {
        dataSource.connection.use { connection ->
            connection.createStatement().use { statement -> statements.forEach(statement::execute) }
        }
    }

    /** The SQLSTATE of the refusal, or null when it was allowed. Nothing of it stays. */
    fun refusalOf(sql: String): String? = dataSource.connection.use { connection ->
        connection.autoCommit = false
        try {
            connection.createStatement().use { it.execute(sql) }
            connection.createStatement().use { it.execute("set constraints all immediate") }
            null
        } catch (e: SQLException) {
            e.sqlState
        } finally {
            connection.rollback()
        }
    }

    override fun close() {
        TestDatabase.execute("drop owned by $name cascade; drop role $name")
    }

    private companion object {
        val numbers = AtomicInteger()
    }
}
