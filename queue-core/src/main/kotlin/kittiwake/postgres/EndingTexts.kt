package kittiwake.postgres

import java.util.concurrent.ConcurrentHashMap

/**
 * Which texts may end a transaction. To look through one is 2 of the 100 µs that a handler in a transaction costs its
 * worker, and applications send few different ones: [most] of those that cannot are remembered.
 */
internal class EndingTexts(private val most: Int = 500) {
    private val harmless: MutableSet<String> = ConcurrentHashMap.newKeySet()

    /** How many are remembered. */
    val remembered: Int get() = harmless.size

    fun mayEnd(sql: String): Boolean {
        if (sql in harmless) return false
        if (WORDS in sql) return true
        if (sql.length <= LONGEST && harmless.size < most) harmless += sql
        return false
    }

    private companion object {
        /**
         * Every command that ends a transaction or part of it has one of these words: no procedure can, inside one. Of
         * escapes, `{fn …}`, the driver makes what stands in there, and so words of what were two.
         */
        val WORDS = Regex(
            """\b(?:commit|end|rollback|abort|prepare|savepoint)\b|\{\s*(?:oj|fn|d|ts?|escape|call)""",
            RegexOption.IGNORE_CASE,
        )

        /** Who writes values into the text has as many texts as values, and is not to fill the memory with them. */
        const val LONGEST = 2_000
    }
}
