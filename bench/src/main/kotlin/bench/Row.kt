package bench

import kotlinx.serialization.Serializable

/** One line of an answer: what was measured, how it was set, and the figures of each run by their names. */
@Serializable
internal class Row(
    val group: String,
    val what: String,
    val settings: String,
    val isBare: Boolean,
    /** What the percentages refer to. */
    val limit: String?,
    val runs: List<Map<String, Double?>>,
    /** For each run what changed over its time. */
    val series: List<List<Series>>,
) {
    /** The names of the figures, in the order in which they were measured. */
    val figures: List<String> get() = runs.flatMap { it.keys }.distinct()

    fun values(figure: String): Spread? = Spread.of(runs.mapNotNull { it[figure] })

    /** `min / median / max` over the runs, or `n/a`; nothing for a figure that this row does not have. */
    fun cell(figure: String): String = if (figure in figures) values(figure)?.toString() ?: "n/a" else ""

    override fun toString(): String = nameOf(group, what, settings)

    companion object {
        fun of(way: Way, samples: List<Sample>, limits: List<Sample>?): Row = Row(
            way.group, way.what, way.settings, way.isBare,
            limit = way.limit?.toString(),
            runs = samples.mapIndexed { run, sample -> sample.figures.comparedWith(limits?.get(run)?.figures) },
            series = samples.map { it.series },
        )

        /**
         * With the share of what is possible beside the first figure, unless it was measured itself. Of two times the
         * shorter one is better.
         */
        private fun Map<String, Double?>.comparedWith(limit: Map<String, Double?>?): Map<String, Double?> {
            if (limit == null) return this
            val (name, ours) = entries.first()
            val bare = limit[name]
            val share = if (ours == null || bare == null) {
                null
            } else if (isTime(name)) {
                bare / ours
            } else {
                ours / bare
            }
            return mapOf(name to ours, OF_LIMIT to share?.times(100)) + this
        }

        private fun isTime(figure: String) = figure.endsWith(" ms") || "µs" in figure
    }
}

/** What a way is called, and its row. */
internal fun nameOf(group: String, what: String, settings: String): String =
    listOf(group, what, settings).filter { it.isNotEmpty() }.joinToString(", ")

/** The name of the percentage. */
internal const val OF_LIMIT = "% of limit"

/** What changed over a run's time. */
@Serializable
internal class Series(val what: String, val unit: String, val points: List<Point>)

@Serializable
internal class Point(val second: Double, val value: Double)
