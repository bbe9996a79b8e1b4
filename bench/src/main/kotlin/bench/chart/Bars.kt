package bench.chart

import bench.OF_LIMIT
import bench.Row
import bench.short

/** One bar a row: the median, with a whisker from the least to the most of the runs, and the figures beside it. */
internal class Bars(private val svg: Svg, private val figure: String, private val rows: List<Row>) {
    private val spreads = rows.map { checkNotNull(it.values(figure)) }
    private val scale = Scale(spreads.maxOf { it.max }, LEFT, RIGHT)

    /** A limit stands with what is compared with it, a little apart from what stands above. */
    private val tops = rows.indices.runningFold(0.0) { top, i ->
        val next = rows.getOrNull(i + 1)
        top + ROW + if (next != null && rows.any { it.limit == next.toString() }) APART else 0.0
    }

    /** Returns where it ends. */
    fun draw(heading: String, top: Double): Double {
        svg.text(MARGIN, top + Ink.HEADING.size, heading, Ink.HEADING)
        val first = top + HEADING
        val bottom = first + tops.last()
        for (value in scale.ticks) {
            val x = scale.place(value)
            svg.line(x, first, x, bottom, if (value == 0.0) Ink.AXIS else Ink.GRID)
            svg.text(x, bottom + 14, tick(value), Ink.SMALL, "middle")
        }
        svg.text(RIGHT + 22, bottom + 14, figure, Ink.SMALL)
        rows.indices.forEach { bar(it, first + tops[it]) }
        return bottom + AXIS
    }

    private fun bar(i: Int, top: Double) {
        val row = rows[i]
        val spread = spreads[i]
        val middle = top + ROW / 2
        val hasSettings = row.settings.isNotEmpty()
        svg.text(LEFT - 10, middle + if (hasSettings) -2.0 else 4.0, row.what, Ink.LABEL, "end")
        if (hasSettings) svg.text(LEFT - 10, middle + 12, row.settings, Ink.SMALL, "end")
        val end = scale.place(spread.median)
        svg.rectangle(LEFT, middle - BAR / 2, end - LEFT, BAR, if (row.isBare) Ink.BARE else Ink.OURS)
        val (least, most) = scale.place(spread.min) to scale.place(spread.max)
        if (spread.min < spread.max) {
            svg.line(least, middle, most, middle, Ink.WHISKER, 1.5)
            for (x in listOf(least, most)) svg.line(x, middle - 4, x, middle + 4, Ink.WHISKER, 1.5)
        }
        val share = row.values(OF_LIMIT)?.takeIf { figure == row.figures.first() }
        val told = share?.let { "$SPACE${it.median.short()} % of ${limit(row)}" }.orEmpty()
        svg.text(most + 8, middle + 4.5, listOf(spread.median.short() to Ink.VALUE, told to Ink.SMALL))
    }

    private fun limit(row: Row) =
        rows.find { it.toString() == row.limit }?.takeIf { it.isBare == row.isBare }?.what ?: "bare SQL"

    private companion object {
        /** Of the kind that is kept at the beginning of a part. */
        const val SPACE = "\u00a0\u00a0"
        const val LEFT = 280.0
        const val RIGHT = WIDTH - 210.0
        const val HEADING = 26.0
        const val ROW = 38.0
        const val BAR = 18.0
        const val APART = 12.0
        const val AXIS = 22.0
    }
}
