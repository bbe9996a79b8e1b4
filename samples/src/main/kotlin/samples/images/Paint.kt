package samples.images

import kotlin.math.floor

/** A painting: the colour at each point, x from 0 to the width and y from 0 (top) to 1. */
fun interface Motif {
    fun color(x: Double, y: Double): Int
}

/** Colours that flow into each other, from 0 to 1; beyond that they begin again. */
class Palette(vararg stops: Int) {
    private val shades = IntArray(SHADES) { i ->
        val at = i.toDouble() / SHADES * (stops.size - 1)
        mix(stops[at.toInt()], stops[at.toInt() + 1], at - at.toInt())
    }

    operator fun get(at: Double): Int = shades[((at - floor(at)) * SHADES).toInt().coerceAtMost(SHADES - 1)]

    private companion object {
        const val SHADES = 4096
    }
}

/** From [a] (share 0) to [b] (share 1). */
fun mix(a: Int, b: Int, share: Double): Int {
    val s = share.coerceIn(0.0, 1.0)

    fun channel(shift: Int): Int {
        val from = a shr shift and 0xff
        return (from + ((b shr shift and 0xff) - from) * s).toInt() shl shift
    }
    return channel(16) or channel(8) or channel(0)
}

/** A number from 0 to 1 that looks random, and is the same for the same point in every run. */
fun random(x: Int, y: Int): Double {
    var h = x * 374761393 + y * 668265263
    h = (h xor (h ushr 13)) * 1274126177
    h = (h xor (h ushr 16)) * -2048144789
    return (h xor (h ushr 15) and 0xffffff) / 16777216.0
}

/** Random numbers on a grid, flowing into each other between its points. */
fun noise(x: Double, y: Double): Double {
    val left = floor(x).toInt()
    val top = floor(y).toInt()
    val u = smooth(x - left)
    val v = smooth(y - top)
    val upper = random(left, top) * (1 - u) + random(left + 1, top) * u
    val lower = random(left, top + 1) * (1 - u) + random(left + 1, top + 1) * u
    return upper * (1 - v) + lower * v
}

/** Noise on noise, each layer twice as fine and half as strong: what clouds, stone and mountains look like. */
fun clouds(x: Double, y: Double, layers: Int = 5): Double {
    var sum = 0.0
    var strength = 0.5
    var scale = 1.0
    repeat(layers) { layer ->
        sum += strength * noise(x * scale + layer * 17, y * scale + layer * 31)
        strength /= 2
        scale *= 2
    }
    return sum
}

private fun smooth(t: Double): Double = t * t * (3 - 2 * t)
