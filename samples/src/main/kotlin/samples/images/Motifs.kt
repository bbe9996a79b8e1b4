package samples.images

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.atan2
import kotlin.math.exp
import kotlin.math.floor
import kotlin.math.hypot
import kotlin.math.ln
import kotlin.math.sin
import kotlin.math.sqrt

private val ember = Palette(0x0b0620, 0x5b1060, 0xd8315b, 0xff9f45, 0xffefc1, 0x2a6f97, 0x0b0620)
private val ocean = Palette(0x021b2f, 0x035e7b, 0x21b6a8, 0xf3f7d4, 0x21b6a8, 0x035e7b, 0x021b2f)
private val petal = Palette(0x2b0a3d, 0xa4286a, 0xff7a70, 0xffe3b3, 0x6ec6b8, 0x1d3f72, 0x2b0a3d)
private val stone = Palette(0x10151f, 0x2f4858, 0xd9c6a5, 0xfff7e6, 0xb5654a, 0x3a1d24, 0x10151f)

/** What the sample has pictures of. Each is a formula, so it is the same everywhere and has any size. */
val MOTIFS: Map<String, Motif> = mapOf(
    "sunset" to Motif(::sunset),
    "mandelbrot" to
        Motif { x, y -> escape(0.0, 0.0, -0.7478 + (x - 0.75) * 0.011, 0.1127 + (y - 0.5) * 0.011, ember, 0.012) },
    "stained-glass" to Motif(::stainedGlass),
    "ripples" to Motif { x, y -> ocean[RIPPLES.sumOf { (cx, cy) -> sin(70 * hypot(x - cx, y - cy)) } / 9 + 0.5] },
    "marble" to Motif(::marble),
    "julia" to Motif { x, y -> escape((x - 0.75) * 2.3, (y - 0.5) * 2.3, -0.8, 0.156, petal, 0.016) },
    "aurora" to Motif(::aurora),
    "truchet" to Motif(::truchet),
    "galaxy" to Motif(::galaxy),
    "newton" to Motif(::newton),
    "bloom" to Motif(::bloom),
    "honeycomb" to Motif(::honeycomb),
)

private val RIPPLES = listOf(0.2 to 0.3, 1.3 to 0.2, 0.8 to 0.9)

private fun sunset(x: Double, y: Double): Int {
    val sun = hypot(x - 0.95, y - 0.42)
    var color = mix(mix(0x1d2671, 0xff7e5f, y * 1.9), 0xfff3c4, exp(-sun * 7) + if (sun < 0.09) 0.9 else 0.0)
    for (ridge in 0..5) {
        val top = 0.48 + ridge * 0.09 + 0.16 * (clouds(x * (2.2 + ridge * 0.5) + ridge * 9, ridge * 3.7) - 0.5)
        if (y > top) color = mix(mix(0xc65b6a, 0x140f2d, (ridge + 1) / 6.0), 0xff9e7d, 0.25 - (y - top) * 3)
    }
    return color
}

/** Mandelbrot and Julia are one formula: how long z, squared again and again plus c, stays near. */
private fun escape(zx: Double, zy: Double, cx: Double, cy: Double, palette: Palette, pace: Double): Int {
    var a = zx
    var b = zy
    var steps = 0
    while (steps < 500 && a * a + b * b < 256) {
        val next = a * a - b * b + cx
        b = 2 * a * b + cy
        a = next
        steps++
    }
    return if (steps == 500) 0x07040f else palette[(steps - ln(ln(a * a + b * b) / 2) / ln(2.0)) * pace]
}

private fun stainedGlass(x: Double, y: Double): Int {
    val column = floor(x * 9).toInt()
    val row = floor(y * 9).toInt()
    var nearest = 9.0
    var second = 9.0
    var tone = 0.0
    for (i in column - 2..column + 2) {
        for (j in row - 2..row + 2) {
            val distance = hypot(i + 0.1 + 0.8 * random(i, j) - x * 9, j + 0.1 + 0.8 * random(j + 50, i) - y * 9)
            if (distance < nearest) {
                second = nearest
                nearest = distance
                tone = random(i + 7, j + 3)
            } else if (distance < second) {
                second = distance
            }
        }
    }
    val glass = mix(petal[tone * 0.55 + y * 0.35 + 0.15], 0xffffff, 0.35 - nearest * 0.5)
    return mix(0x0c0a12, glass, (second - nearest - 0.03) * 16)
}

private fun marble(x: Double, y: Double): Int {
    val bend = clouds(x * 2.5, y * 2.5)
    val fold = clouds(x * 2.5 + 3 * bend + 5, y * 2.5 + 2 * bend)
    return stone[0.12 + clouds(x * 2 + 3 * fold, y * 2 + 3 * bend) * 1.15]
}

private fun aurora(x: Double, y: Double): Int {
    val star = random((x * 500).toInt(), (y * 500).toInt())
    var color = mix(mix(0x020515, 0x0b2b40, y), 0xffffff, if (star > 0.9985) star * 0.8 else 0.0)
    for (curtain in 0..2) {
        val hem = 0.72 - curtain * 0.14 + 0.22 * (clouds(x * 1.6 + curtain * 8, curtain * 5.0, 3) - 0.5)
        val folds = 0.35 + 0.65 * noise(x * 38 + 6 * noise(x * 5, 0.0), curtain * 3.0)
        val glow = if (y < hem) exp((y - hem) * 4.5) else exp((hem - y) * 45)
        color = mix(color, mix(0x7d3cff, 0x3dffb0, 1.25 - (hem - y) * 3), glow * folds * 0.75)
    }
    val hill = 0.88 + 0.12 * (clouds(x * 4, 2.0) - 0.5)
    return if (y > hill) 0x02040a else color
}

private fun truchet(x: Double, y: Double): Int {
    val column = floor(x * 8).toInt()
    val row = floor(y * 8).toInt()
    val u = x * 8 - column
    val v = if (random(column, row) < 0.5) y * 8 - row else 1 - (y * 8 - row)
    val arc = minOf(abs(hypot(u, v) - 0.5), abs(hypot(1 - u, 1 - v) - 0.5))
    val ribbon = mix(ember[0.25 + 0.3 * x / 1.5 + 0.12 * y], 0xffffff, 0.35 - arc * 2.4)
    return mix(ribbon, mix(0x10243b, 0x1c4457, y), (arc - 0.16) * 60)
}

private fun galaxy(x: Double, y: Double): Int {
    val dx = x - 0.75
    val dy = (y - 0.5) * 1.5
    val radius = hypot(dx, dy)
    val dust = clouds(x * 9, y * 9)
    val arms = 0.5 + 0.5 * sin(2 * atan2(dy, dx) - 9 * ln(radius + 0.02) + 4 * dust)
    val light = exp(-radius * 3.4) * (0.25 + arms * 1.1) * (0.5 + dust)
    val disc = mix(mix(0x03020c, 0x5a2a9d, light * 2.4), 0x9fd8ff, (light - 0.22) * 1.9)
    val star = random((x * 420).toInt(), (y * 420).toInt())
    return mix(mix(disc, 0xfff1d0, exp(-radius * 13) * 1.3), 0xffffff, if (star > 0.997) star * 0.85 else 0.0)
}

/** Which root of z³ = 1 Newton's method finds from here, and how soon. */
private fun newton(x: Double, y: Double): Int {
    var a = (x - 0.75) * 2.6
    var b = (y - 0.5) * 2.6
    var steps = 0.0
    while (steps < 40) {
        val square = a * a + b * b + 1e-12
        val stepX = (a - (a * a - b * b) / (square * square)) / 3
        val stepY = (b + 2 * a * b / (square * square)) / 3
        a -= stepX
        b -= stepY
        steps++
        if (stepX * stepX + stepY * stepY < 1e-8) break
    }
    val basin = when {
        a > 0.5 -> 0xf2b134
        b > 0 -> 0xed553b
        else -> 0x1f7a8c
    }
    return mix(mix(0xfffbf0, basin, steps / 7), 0x0a0a1e, (steps - 6) / 16)
}

private fun bloom(x: Double, y: Double): Int {
    val radius = hypot(x - 0.75, y - 0.5)
    val angle = atan2(y - 0.5, x - 0.75)
    val leaves = abs(sin(4 * angle + 5 * sqrt(radius) * sin(3 * radius * PI)))
    return petal[0.08 + radius * 1.05 + 0.22 * leaves * (1 - radius) - 0.12 * sin(radius * 34) * leaves]
}

private fun honeycomb(x: Double, y: Double): Int {
    val rowHeight = sqrt(3.0) / 2
    var nearest = 9.0
    var second = 9.0
    var height = 0.0
    val middle = floor(y * 11 / rowHeight).toInt()
    for (row in middle - 1..middle + 2) {
        val shift = if (row % 2 == 0) 0.0 else 0.5
        val column = floor(x * 11 - shift).toInt()
        for (cell in column - 1..column + 2) {
            val distance = hypot(cell + shift - x * 11, row * rowHeight - y * 11)
            if (distance < nearest) {
                second = nearest
                nearest = distance
                height = clouds(cell * 0.22, row * 0.22, 3) + random(cell, row) * 0.12
            } else if (distance < second) {
                second = distance
            }
        }
    }
    val wax = mix(mix(0x3a1503, 0xffb627, height * 1.5), 0xfff2c0, height * 1.6 - 0.75)
    return mix(0x1f0b02, mix(wax, 0x1f0b02, nearest * 0.45), (second - nearest - 0.05) * 12)
}
