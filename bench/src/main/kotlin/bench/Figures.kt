package bench

import java.util.Locale
import kotlin.math.abs
import kotlin.math.ceil

/** The least, the middle and the most of some runs. */
internal class Spread(val min: Double, val median: Double, val max: Double) {
    override fun toString(): String =
        if (min == max) median.short() else listOf(min, median, max).joinToString(" / ") { it.short() }

    companion object {
        fun of(values: List<Double>): Spread? {
            val sorted = values.sorted()
            if (sorted.isEmpty()) return null
            val median = (sorted[(sorted.size - 1) / 2] + sorted[sorted.size / 2]) / 2
            return Spread(sorted.first(), median, sorted.last())
        }
    }
}

/** Three digits that matter: `123,456`, `12.3`, `0.45`. */
internal fun Double?.short(): String = when {
    this == null || isNaN() -> "n/a"
    abs(this) >= 100 -> "%,.0f".format(Locale.ROOT, this)
    abs(this) >= 10 -> "%.1f".format(Locale.ROOT, this)
    else -> "%.2f".format(Locale.ROOT, this)
}

/** The smallest value that [share] of the sorted values do not exceed. */
internal fun List<Double>.percentile(share: Double): Double = this[(ceil(share * size).toInt() - 1).coerceIn(indices)]

/** The median and the 99th percentile of sorted milliseconds, by the name of [what] took them; nothing of none. */
internal fun List<Double>.middleAndEdge(what: String): Map<String, Double> =
    if (isEmpty()) emptyMap() else mapOf("$what p50 ms" to percentile(.5), "$what p99 ms" to percentile(.99))
