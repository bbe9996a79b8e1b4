package samples.images

import java.util.Locale.ROOT
import kotlin.time.Duration
import kotlin.time.DurationUnit.SECONDS

/** The summary as a table for the console. */
fun report(summary: Summary): String = buildString {
    val ended = summary.jobs.jobs { true } - summary.jobs.unfinished
    appendLine()
    appendLine("job             completed  discarded  unfinished  attempts")
    for ((name, counts) in summary.jobs.counts.groupBy { it.name }.toSortedMap()) {
        val jobs = Overview(counts)
        val completed = jobs.jobs { it.state == "completed" }
        val discarded = jobs.jobs { it.state == "discarded" }
        appendLine(
            "%-15s %9d  %9d  %10d  %8d"
                .format(name, completed, discarded, jobs.unfinished, counts.sumOf { it.attempts }),
        )
    }
    appendLine()
    val rate = ended / summary.took.toDouble(SECONDS)
    appendLine("$ended jobs in ${summary.took.seconds} s, which is ${"%.1f".format(ROOT, rate)} a second")
    appendLine("tried again  a job that fails twice: ${summary.flaky.state}, attempt ${summary.flaky.attempts}")
    appendLine("discarded    ${summary.corrupt.jobs.firstNotNullOfOrNull { it.complaint }}")
    appendLine("rescued      ${summary.rescued.size} jobs of worker ana, which was killed while it worked them")
    appendLine()
    append("The thumbnails are in ${summary.out.index.toUri()}")
}

/** In seconds, to the tenth. */
val Duration.seconds: String get() = "%.1f".format(ROOT, toDouble(SECONDS))
