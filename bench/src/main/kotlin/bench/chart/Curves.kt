package bench.chart

import bench.Row
import bench.Shaded
import bench.Spread
import bench.nameOf
import bench.short

/** What one row did over time: of all its runs the medians, between the least and the most. */
internal class Curve(val name: String, val unit: String, val seconds: List<Double>, val values: List<Spread>)

/** The curves of [rows] by what they show. */
internal fun curves(rows: List<Row>): Map<String, List<Curve>> {
    val all = rows.flatMap { row ->
        row.series.flatten().groupBy { it.what }.map { (what, runs) ->
            val length = runs.minOf { it.points.size }
            val seconds = runs.first().points.take(length).map { it.second }
            val values = List(length) { i -> checkNotNull(Spread.of(runs.map { it.points[i].value })) }
            val name = nameOf("", row.what, row.settings)
            what to Curve(name, runs.first().unit, seconds, values)
        }
    }
    return all.groupBy({ it.first }, { it.second })
}

/** One curve a row over the seconds of a run, labelled at its end. */
internal class Curves(private val svg: Svg, private val curves: List<Curve>, private val shaded: Shaded?) {
    /** Returns where it ends. */
    fun draw(heading: String, top: Double): Double {
        val unit = curves.first().unit
        svg.text(MARGIN, top + Ink.HEADING.size, heading, Ink.HEADING)
        val bottom = top + HEADING + HEIGHT
        val across = Scale(curves.maxOf { it.seconds.last() }, LEFT, RIGHT)
        val up = Scale(curves.maxOf { curve -> curve.values.maxOf { it.max } }, bottom, top + HEADING)
        shade(across, top + HEADING, bottom)
        for (value in up.ticks) {
            val y = up.place(value)
            svg.line(LEFT, y, RIGHT, y, if (value == 0.0) Ink.AXIS else Ink.GRID)
            svg.text(LEFT - 8, y + 4, tick(value) + if (value == up.ticks.last()) " $unit" else "", Ink.SMALL, "end")
        }
        for (second in across.ticks) svg.text(across.place(second), bottom + 15, tick(second), Ink.SMALL, "middle")
        svg.text(RIGHT + 14, bottom + 15, "seconds", Ink.SMALL)
        curves.forEachIndexed { i, curve -> curve(curve, Ink.CURVES[i % Ink.CURVES.size], across, up) }
        label(up, bottom)
        return bottom + AXIS
    }

    private fun curve(curve: Curve, ink: String, across: Scale, up: Scale) {
        fun outline(value: (Spread) -> Double) =
            curve.seconds.zip(curve.values) { second, spread -> across.place(second) to up.place(value(spread)) }
        svg.area(outline { it.min } + outline { it.max }.reversed(), ink, opacity = 0.18)
        svg.curve(outline { it.median }, ink)
    }

    /** At the right end, moved apart where curves end side by side, and upward from the bottom. */
    private fun label(up: Scale, bottom: Double) {
        val sorted = curves.sortedByDescending { it.values.last().median }
        var next = Double.NEGATIVE_INFINITY
        val apart =
            sorted.map { curve -> maxOf(up.place(curve.values.last().median), next).also { next = it + LABEL } }
        var lowest = bottom - LABEL + LINE
        val places = apart.asReversed().map { y -> minOf(y, lowest).also { lowest = it - LABEL } }.asReversed()
        for ((curve, place) in sorted.zip(places)) {
            val face = Face(Ink.SMALL.size, Ink.CURVES[curves.indexOf(curve) % Ink.CURVES.size], weight = 600)
            val lines = listOf(curve.values.last().median.short()) + face.wrap(curve.name, WIDTH - RIGHT - 10)
            lines.take(LINES).forEachIndexed { i, line -> svg.text(RIGHT + 10, place + 4 + i * LINE, line, face) }
        }
    }

    private fun shade(across: Scale, top: Double, bottom: Double) {
        if (shaded == null) return
        val (from, until) = across.place(shaded.from) to minOf(across.place(shaded.until), RIGHT)
        svg.rectangle(from, top, until - from, bottom - top, Ink.SHADE, opacity = 0.15)
        svg.text(from + 6, top + 14, shaded.what, Ink.SMALL)
    }

    private companion object {
        const val LEFT = 96.0
        const val RIGHT = WIDTH - 190.0
        const val HEADING = 30.0
        const val HEIGHT = 190.0
        const val AXIS = 24.0

        /** Of a label. */
        const val LINES = 3
        const val LINE = 12.0
        const val LABEL = LINES * LINE + 4
    }
}
