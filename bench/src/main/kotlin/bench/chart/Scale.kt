package bench.chart

import kotlin.math.ceil
import kotlin.math.floor
import kotlin.math.log10
import kotlin.math.pow

/** Values from zero to [most], rounded up to a step of 1, 2 or 5, laid out between two places of the page. */
internal class Scale(most: Double, private val from: Double, private val to: Double) {
    private val step = niceStep(most)
    private val top = ceil(most.coerceAtLeast(step) / step - 1e-9) * step

    val ticks: List<Double> = List((top / step + 1.5).toInt()) { it * step }

    fun place(value: Double): Double = from + (to - from) * value / top

    private companion object {
        /** So that there are three to seven of them. */
        fun niceStep(most: Double): Double {
            if (most <= 0.0) return 1.0
            val rough = most / 5
            val power = 10.0.pow(floor(log10(rough)))
            return listOf(1.0, 2.0, 5.0, 10.0).first { it * power >= rough - 1e-12 } * power
        }
    }
}

/** `250k`, `1.5M`, `0.2`. */
internal fun tick(value: Double): String = when {
    value >= 1e6 -> trimmed(value / 1e6) + "M"
    value >= 10_000 -> trimmed(value / 1e3) + "k"
    else -> trimmed(value)
}

private fun trimmed(value: Double): String = "%,.3f".format(java.util.Locale.ROOT, value).trimEnd('0').removeSuffix(".")
