package bench

/** One thing to know about the queue, answered by measuring. */
internal interface Question {
    /** What the command line calls it, and the files of its answer. */
    val name: String

    /** The question in words, with what is held fixed. */
    val asks: String

    /** The figures whose medians its chart draws. */
    val bars: List<String> get() = listOf("jobs/s")

    /** A stretch of time in which something else went on, for charts over time. */
    val shaded: Shaded? get() = null

    /** The ways to measure, in the order of the answer. One round measures each of them once. */
    fun ways(bench: Bench): List<Way>
}

/** From second to second, and what went on. */
internal class Shaded(val from: Double, val until: Double, val what: String)

/** One way of doing what a question asks about. */
internal class Way(
    /** Ways of one group do comparable work: they share a table, and an axis of the chart. */
    val group: String,
    val what: String,
    val settings: String = "",
    /**
     * The same work as bare SQL. It is measured in the same round, just before, and the first figure of this way is
     * told as a percentage of its.
     */
    val limit: Way? = null,
    /** Whether this is bare SQL itself. */
    val isBare: Boolean = false,
    /** Measures once, on tables that nobody has used. */
    val measure: (Tables) -> Sample,
) {
    override fun toString(): String = nameOf(group, what, settings)
}

/** What one measurement found: figures by their names, the one that matters most first, and what changed over time. */
internal class Sample(val figures: Map<String, Double?>, val series: List<Series> = emptyList())
