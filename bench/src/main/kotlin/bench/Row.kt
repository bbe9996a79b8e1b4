package bench

import kotlinx.serialization.Serializable
import java.util.Locale

/** One line of a table: what was measured, how it was set, and the figures of each run by their names. */
@Serializable
internal class Row(val what: String, val settings: String, val runs: List<Map<String, Double?>>) {
    /** The names of the figures, in the order in which they were measured. */
    val figures: List<String> get() = runs.first().keys.toList()

    /** `min / median / max` over the runs, or `n/a`. */
    fun spread(figure: String): String {
        val values = runs.mapNotNull { it[figure] }.sorted()
        if (values.isEmpty()) return "n/a"
        return listOf(values.first(), values[values.size / 2], values.last()).joinToString(" / ") { it.short() }
    }
}

/** Three digits that matter: `123,456`, `12.3`, `0.45`. */
internal fun Double.short(): String = when {
    isNaN() -> "n/a"
    kotlin.math.abs(this) >= 100 -> "%,.0f".format(Locale.ROOT, this)
    kotlin.math.abs(this) >= 10 -> "%.1f".format(Locale.ROOT, this)
    else -> "%.2f".format(Locale.ROOT, this)
}

/** The smallest value that [share] of the sorted values do not exceed. */
internal fun List<Double>.percentile(share: Double): Double =
    this[(kotlin.math.ceil(share * size).toInt() - 1).coerceIn(indices)]
