package bench.chart

import java.util.Locale

/** Writes the few elements of SVG that these charts need. */
internal class Svg(private val width: Int) {
    private val body = StringBuilder()

    fun rectangle(x: Double, y: Double, width: Double, height: Double, fill: String, opacity: Double = 1.0) {
        element("rect", "x" to x, "y" to y, "width" to width, "height" to height, "fill" to fill, "opacity" to opacity)
    }

    fun line(x1: Double, y1: Double, x2: Double, y2: Double, stroke: String, width: Double = 1.0) {
        element("line", "x1" to x1, "y1" to y1, "x2" to x2, "y2" to y2, "stroke" to stroke, "stroke-width" to width)
    }

    fun curve(points: List<Pair<Double, Double>>, stroke: String) {
        element(
            "polyline", "points" to points.joined(), "fill" to "none", "stroke" to stroke, "stroke-width" to 2.0,
            "stroke-linejoin" to "round",
        )
    }

    fun area(outline: List<Pair<Double, Double>>, fill: String, opacity: Double) {
        element("polygon", "points" to outline.joined(), "fill" to fill, "opacity" to opacity)
    }

    fun text(x: Double, y: Double, text: String, face: Face, anchor: String = "start") {
        text(x, y, listOf(text to face), anchor)
    }

    /** Parts of one line, each with its face. */
    fun text(x: Double, y: Double, parts: List<Pair<String, Face>>, anchor: String = "start") {
        body.append("<text xml:space=\"preserve\"")
        attributes("x" to x, "y" to y, "text-anchor" to anchor)
        body.append(">")
        for ((text, face) in parts) {
            body.append("<tspan")
            attributes("font-size" to face.size, "font-weight" to face.weight, "fill" to face.fill)
            body.append(">").append(text.escaped()).append("</tspan>")
        }
        body.append("</text>\n")
    }

    fun document(height: Double): String =
        """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width ${height.plain()}" width="$width" """ +
            """height="${height.plain()}" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif">""" +
            "\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n$body</svg>\n"

    private fun element(name: String, vararg attributes: Pair<String, Any>) {
        body.append("<").append(name)
        attributes(*attributes)
        body.append("/>\n")
    }

    private fun attributes(vararg attributes: Pair<String, Any>) {
        for ((name, value) in attributes) {
            val written = if (value is Double) value.plain() else value.toString().escaped()
            body.append(' ').append(name).append("=\"").append(written).append('"')
        }
    }

    private fun List<Pair<Double, Double>>.joined() = joinToString(" ") { (x, y) -> "${x.plain()},${y.plain()}" }

    private fun Double.plain(): String = "%.1f".format(Locale.ROOT, this).removeSuffix(".0")

    private fun String.escaped(): String =
        replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;")
}

/** How text looks. */
internal class Face(val size: Double, val fill: String, val weight: Int = 400) {
    /** About: no font is at hand to ask. */
    fun width(text: String): Double = text.length * size * if (weight > 400) 0.62 else 0.54

    /** [text] in lines that are no wider than [width], broken at spaces. */
    fun wrap(text: String, width: Double): List<String> = text.split(' ').fold(mutableListOf("")) { lines, word ->
        val longer = "${lines.last()} $word".trim()
        if (width(longer) <= width || lines.last().isEmpty()) lines[lines.lastIndex] = longer else lines += word
        lines
    }
}
