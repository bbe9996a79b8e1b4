package chaos.check

import chaos.history.Entry.Logged
import chaos.history.Entry.Settled
import chaos.history.History
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant

/** K13: only those errors are seen that somebody caused on purpose. */
class ExplainedErrors : Check {
    override val id = "K13"
    override val guards = listOf("G22")
    override val claim = "Every SQLSTATE seen belongs to a fault of that time, nothing is a defect, nothing deadlocks"

    override fun examine(history: History): Finding {
        val seen = history.journals.flatMap { (process, entries) ->
            entries.mapNotNull { entry ->
                when (entry) {
                    is Logged -> Seen(process, entry.at, entry.sqlStates, entry)
                    is Settled -> entry.sqlState?.let { Seen(process, entry.at, listOf(it)) }
                    else -> null
                }
            }
        }
        val broken = seen.mapNotNull { faultOf(history, it) }
        // The server counts what it broke up itself: errors raised on purpose with that SQLSTATE are not among them.
        val deadlocks = history.rest.deadlocks.takeIf { it > 0 }?.let { "the server broke up $it deadlocks" }
        val states = seen.flatMap { it.states }.groupingBy { it }.eachCount().toSortedMap()
        val figures = states.mapKeys { "SQLSTATE ${it.key}" }.mapValues { "${it.value}" }
        return Finding((broken.distinct() + listOfNotNull(deadlocks)).map { broken(it) }, figures = figures)
    }

    private class Seen(val process: String, val at: Instant, val states: List<String>, val log: Logged? = null)

    private fun faultOf(history: History, seen: Seen): String? {
        val thrown = seen.log?.thrown.orEmpty().split(" < ")
        val expected = if (thrown.any { REFUSAL in it }) setOf(ABUSE, REFUSED) else setOf(ABUSE)
        val states = seen.states.filter { it.isNotBlank() && it !in expected }
        val around = history.faults.filter { it.struck(seen.process, seen.at - ECHO, seen.at + CLOCKS) }
        val unexplained =
            states.filter { state -> isNever(state) || around.none { explains(it.fault.kind, it.fault.detail, state) } }
        val classes = thrown.map { it.substringBefore(':').substringAfterLast('.') }
        val said = seen.log?.let { " ${it.level} ${it.logger}: ${it.message} (${it.thrown})" }.orEmpty()
        return when {
            unexplained.isNotEmpty() -> "${seen.process} met SQLSTATE $unexplained, which no fault explains$said"
            classes.any { it in defects } -> "${seen.process} met a defect:$said"
            seen.log?.level in severe && (around.isEmpty() || classes.none(::isOfTheNetwork)) ->
                "${seen.process} met an error that no fault explains:$said"
            else -> null
        }
    }

    private fun isOfTheNetwork(thrown: String) =
        thrown.endsWith("SQLException") || thrown.startsWith("SQL") || thrown.startsWith("Socket") ||
            thrown in setOf("IOException", "EOFException", "ConnectException")

    private companion object {
        /** An error may be met long after its fault: the longest timeout of the network is 15 s, and waits follow it. */
        val ECHO = 30.seconds

        /** The clocks of the server and of the journals are one, read at different moments. */
        val CLOCKS = 1.seconds
        val severe = setOf("SEVERE", "ERROR")
        val defects =
            setOf(
                "NullPointerException", "ClassCastException", "IndexOutOfBoundsException", "NoSuchElementException",
                "ArrayIndexOutOfBoundsException", "ConcurrentModificationException", "IllegalArgumentException",
                "OutOfMemoryError", "StackOverflowError", "NoSuchMethodError", "NoClassDefFoundError",
                "SerializationException", "UninitializedPropertyAccessException", "SchemaException",
            )
    }
}
