package bench.chart

import bench.Question
import bench.Row

internal const val WIDTH = 960
internal const val MARGIN = 28.0
private const val GAP = 30.0
private const val LEADING = 1.35

/** The whole answer as one image: bars for each group and figure, curves for what changed over time. */
internal fun chart(question: Question, rows: List<Row>, footer: List<String>): String {
    val svg = Svg(WIDTH)
    var y = svg.paragraph(question.asks.replaceFirstChar { it.uppercase() }, Ink.TITLE, MARGIN)
    for ((group, own) in rows.groupBy { it.group }) {
        for (figure in question.bars) {
            val shown = own.filter { it.values(figure) != null }
            if (shown.isNotEmpty()) y = Bars(svg, figure, shown).draw(heading(group, figure), y + GAP)
        }
        for ((what, curves) in curves(own)) {
            y = Curves(svg, curves, question.shaded).draw(heading(group, what), y + GAP)
        }
    }
    y += GAP
    for (line in footer) y = svg.paragraph(line, Ink.SMALL, y)
    return svg.document(y + MARGIN / 2)
}

private fun heading(group: String, what: String) = listOf(group, what).filter { it.isNotEmpty() }.joinToString(": ")

/** Draws [text] from [top] down, and returns where it ends. */
private fun Svg.paragraph(text: String, face: Face, top: Double): Double {
    val lines = face.wrap(text, WIDTH - 2 * MARGIN)
    lines.forEachIndexed { i, line -> text(MARGIN, top + face.size * (1 + i * LEADING), line, face) }
    return top + face.size * LEADING * lines.size
}
