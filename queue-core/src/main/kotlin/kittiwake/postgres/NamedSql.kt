package kittiwake.postgres

import java.sql.Connection
import java.sql.PreparedStatement
import java.sql.ResultSet
import java.sql.Types

/**
 * A statement with `:names` for its parameters and `{schema}` for the schema: the form that SQL has in this library.
 */
internal class NamedSql(template: String, schema: Schema) {
    private val positions = mutableMapOf<String, MutableList<Int>>()

    /** The statement as the driver wants it, parameters as question marks. */
    val text: String

    init {
        var count = 0
        text =
            PARAMETER.replace(template.trim().replace("{schema}", schema.quoted)) { match ->
                positions.getOrPut(match.groupValues[1]) { mutableListOf() } += ++count
                "?"
            }
    }

    /** Runs it on [connection] and reads all rows. */
    fun <T> query(connection: Connection, bind: Binding.() -> Unit = {}, row: (ResultSet) -> T): List<T> =
        bound(connection, bind) { statement ->
            statement.executeQuery().use { rows -> buildList { while (rows.next()) add(row(rows)) } }
        }

    /** Runs it on [connection], all statements of it if they are several, and reads nothing. */
    fun execute(connection: Connection, bind: Binding.() -> Unit) {
        bound(connection, bind) { it.execute() }
    }

    private inline fun <T> bound(connection: Connection, bind: Binding.() -> Unit, run: (PreparedStatement) -> T): T =
        connection.prepareStatement(text).use { statement ->
            val binding = Binding(statement).apply(bind)
            try {
                run(statement)
            } finally {
                binding.free()
            }
        }

    inner class Binding(private val statement: PreparedStatement) {
        private val arrays = mutableListOf<java.sql.Array>()

        operator fun set(name: String, value: Any?) {
            at(name) { statement.setObject(it, value) }
        }

        /** Null or not it is of one type: with a null of none the driver would have the statement prepared anew. */
        fun text(name: String, value: String?) {
            at(name) { statement.setString(it, value) }
        }

        /** As [text]. */
        fun bigint(name: String, value: Long?) {
            at(name) { if (value == null) statement.setNull(it, Types.BIGINT) else statement.setLong(it, value) }
        }

        /** Of its own type: the driver sends `Long[]` as it is, and `Object[]` as text. */
        inline fun <reified T> array(name: String, type: String, values: List<T>): Unit =
            array(name, type, values.toTypedArray())

        fun array(name: String, type: String, values: Array<out Any?>) {
            val connection = statement.connection
            val array = connection.watched()?.createOwnArray(type, values) ?: connection.createArrayOf(type, values)
            arrays += array
            at(name) { statement.setArray(it, array) }
        }

        private fun at(name: String, set: (Int) -> Unit) {
            positions[name]?.forEach(set)
                ?: throw IllegalArgumentException("The statement has no parameter :$name\n$text")
        }

        fun free() {
            arrays.forEach { it.free() }
        }
    }

    private companion object {
        /** A colon and a word, but not the second colon of a cast. */
        val PARAMETER = Regex("""(?<!:):([a-z_]+)""")
    }
}
