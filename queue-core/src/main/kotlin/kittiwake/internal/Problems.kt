package kittiwake.internal

import kotlin.math.min
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days

/** Gathers everything wrong in one declaration, so that its author hears it all at once. */
internal class Problems {
    private val found = mutableListOf<String>()

    fun rule(holds: Boolean, problem: () -> String) {
        if (!holds) found += problem()
    }

    /** Runs a constructor that validates its own argument, and keeps its complaint. */
    fun <T : Any> valid(prefix: String = "", construct: () -> T): T? = try {
        construct()
    } catch (e: IllegalArgumentException) {
        found += prefix + e.message
        null
    }

    fun throwIfAny(subject: String) {
        require(found.isEmpty()) {
            val problems = found.joinToString("") { "\n  - " + it.replace("\n", "\n    ") }
            "$subject is not configured correctly:$problems"
        }
    }
}

internal fun checkConfig(subject: String, rules: Problems.() -> Unit) {
    Problems().apply(rules).throwIfAny(subject)
}

/** The one of [candidates] that a mistyped [word] most likely meant, or null when none is near. */
internal fun didYouMean(word: String, candidates: Collection<String>): String = candidates
    .map { it to distance(word.lowercase(), it.lowercase()) }
    .filter { (candidate, d) -> d <= maxOf(2, min(word.length, candidate.length) / 3) }
    .minByOrNull { it.second }
    ?.let { " Did you mean \"${it.first}\"?" }
    .orEmpty()

private fun distance(a: String, b: String): Int {
    var previous = IntArray(b.length + 1) { it }
    for (i in a.indices) {
        val row = IntArray(b.length + 1)
        row[0] = i + 1
        for (j in b.indices) {
            val change = if (a[i] == b[j]) 0 else 1
            row[j + 1] = minOf(row[j] + 1, previous[j + 1] + 1, previous[j] + change)
        }
        previous = row
    }
    return previous[b.length]
}

/** Longer than any wait that is meant: a unit was mistaken. */
internal val CENTURY: Duration = 36_525.days
