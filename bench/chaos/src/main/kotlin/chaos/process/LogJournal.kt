package chaos.process

import chaos.history.Entry
import chaos.history.Journal
import java.sql.SQLException
import java.util.logging.Handler
import java.util.logging.Level
import java.util.logging.LogManager
import java.util.logging.LogRecord
import java.util.logging.Logger

/** Warnings and errors of the log become entries of the journal. */
class LogJournal private constructor(private val journal: Journal) : Handler() {
    override fun publish(record: LogRecord) {
        if (record.level.intValue() < Level.WARNING.intValue()) return
        val chain = generateSequence(record.thrown) {
            it.cause.takeIf { cause ->
                cause !== it
            }
        }.take(MAX_CAUSES).toList()
        journal.note { at ->
            Entry.Logged(
                at, record.level.name, record.loggerName.orEmpty(), record.message.lineSequence().first(),
                thrown = chain
                    .takeIf {
                        it.isNotEmpty()
                    }?.joinToString(" < ") { "${it.javaClass.name}: ${it.message}" },
                sqlStates = chain.filterIsInstance<SQLException>().mapNotNull { it.sqlState }.distinct(),
            )
        }
    }

    override fun flush() = Unit

    override fun close() = Unit

    companion object {
        private const val MAX_CAUSES = 8

        /** From now on nothing else hears the log of this process. */
        fun install(journal: Journal) {
            LogManager.getLogManager().reset()
            Logger.getLogger("").addHandler(LogJournal(journal))
        }
    }
}
