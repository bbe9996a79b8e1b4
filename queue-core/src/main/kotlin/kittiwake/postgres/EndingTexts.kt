package kittiwake.postgres

import java.util.concurrent.ConcurrentHashMap

/**
 * Which texts may end a transaction. To look through one takes 2 µs of a job, and applications send few different ones:
 * those that cannot are remembered.
 */
internal object EndingTexts {
    /**
     * Every command that ends a transaction or part of it has one of these words: no procedure can, inside one. Of
     * escapes, `{fn …}`, the driver makes what stands in there, and so words of what were two.
     */
    private val words = Regex(
        """\b(?:commit|end|rollback|abort|prepare|savepoint)\b|\{\s*(?:oj|fn|d|ts?|escape|call)""",
        RegexOption.IGNORE_CASE,
    )
    private val harmless: MutableSet<String> = ConcurrentHashMap.newKeySet()

    fun mayEnd(sql: String): Boolean {
        if (sql in harmless) return false
        if (words in sql) return true
        if (sql.length <= LONGEST && harmless.size < MOST) harmless += sql
        return false
    }

    /** Who writes values into the text has as many texts as values: 2 MB of them, and the others are looked through. */
    private const val MOST = 500
    private const val LONGEST = 2_000
}
