package chaos.proxy

/** A commit that is asked for or has been made: by COMMIT, or by a statement that is a transaction of its own. */
internal class Commit(val name: String, val isExplicit: Boolean)

/** What client and server say to each other on one connection, as far as it is about commits. */
internal class Exchange {
    private sealed interface Statement {
        data object Begin : Statement

        data object Commit : Statement

        /** One of the library that changes something. */
        data class Change(val verb: String) : Statement

        data object Other : Statement
    }

    private val statements = HashMap<String, Statement>()
    private val portals = HashMap<String, Statement>()
    private var isInTransaction = false

    /** The change that was executed, outside of a transaction, since the server was last ready. */
    private var change: Statement.Change? = null

    /** The commit that [frame] of the client asks for, if it does. */
    @Synchronized
    fun asked(frame: Frame): Commit? = when (frame.type) {
        'P' -> {
            statements[frame.text()] = understand(frame.text())
            null
        }

        'B' -> {
            portals[frame.text()] = statements[frame.text()] ?: Statement.Other
            null
        }

        'E' -> execute(portals[frame.text()] ?: Statement.Other)

        'Q' -> execute(understand(frame.text()))

        else -> null
    }

    /** The commit that [frame] of the server confirms, if it does. */
    @Synchronized
    fun answered(frame: Frame): Commit? = when (frame.type) {
        'C' -> if (frame.text() == "COMMIT") EXPLICIT else null

        'E' -> {
            change = null
            null
        }

        // A statement that is a transaction of its own is committed before the server says that it is ready, not
        // before it says that the statement is complete.
        'Z' -> {
            isInTransaction = frame.byte() != 'I'
            val changed = change.takeIf { !isInTransaction }
            change = null
            changed?.let { Commit(it.verb, isExplicit = false) }
        }

        else -> null
    }

    private fun execute(statement: Statement): Commit? = when (statement) {
        Statement.Commit -> EXPLICIT

        Statement.Begin -> {
            isInTransaction = true
            null
        }

        is Statement.Change -> {
            if (!isInTransaction) change = statement
            statement.takeIf { !isInTransaction }?.let { Commit(it.verb, isExplicit = false) }
        }

        Statement.Other -> null
    }

    private fun understand(sql: String): Statement {
        val text = sql.trimStart()
        if (text.startsWith(NAME_START)) {
            val verb = text.substringAfter(NAME_START).substringBefore(NAME_END)
            return if (verb in HARMLESS) Statement.Other else Statement.Change(verb)
        }
        return when (text.substringBefore(' ').trimEnd(';').uppercase()) {
            "BEGIN" -> Statement.Begin
            "COMMIT" -> Statement.Commit
            else -> Statement.Other
        }
    }

    private companion object {
        val EXPLICIT = Commit("commit", isExplicit = true)
        const val NAME_START = "/* kittiwake: "
        const val NAME_END = " */"

        /** Statements of the library that change nothing which outlives the transaction. */
        val HARMLESS = setOf("find job", "find job by key", "mark transaction", "keep plan", "sleep", "rise", "wake")
    }
}
