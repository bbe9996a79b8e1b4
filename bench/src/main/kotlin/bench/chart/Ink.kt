package bench.chart

/** Colours that are told apart in print and by the colour-blind, and faces of text. */
internal object Ink {
    const val OURS = "#2563a8"
    const val BARE = "#a9b1ba"
    const val GRID = "#e6e9ed"
    const val AXIS = "#8a939d"
    const val WHISKER = "#1f2933"
    const val SHADE = "#f2c14e"
    val CURVES = listOf(OURS, "#c2570c", "#2b7a4b", "#7b4fa3", "#8a6d00", "#b0306a")

    private const val TEXT = "#1f2933"
    private const val QUIET = "#66707a"
    val TITLE = Face(17.0, TEXT, 600)
    val HEADING = Face(13.5, TEXT, 600)
    val LABEL = Face(12.5, TEXT)
    val VALUE = Face(12.5, TEXT, 600)
    val SMALL = Face(11.0, QUIET)
}
