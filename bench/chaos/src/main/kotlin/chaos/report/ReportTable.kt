package chaos.report

import kotlin.time.Duration
import kotlin.time.DurationUnit

/** A [Report] as a page to read, and to keep with a release. */
internal class ReportTable(private val report: Report) {
    override fun toString(): String = listOf(
        listOf("# Kittiwake under faults: ${report.verdict}", ""),
        table("", "") { run() + counts() },
        table("duplicates by cause", "executions") { report.duplicates.map { (cause, n) -> listOf(cause, "$n") } },
        table("fault", "what happens", "injected", "observed", "strikes") {
            report.faults.map { (kind, n) ->
                listOf(kind.id, kind.says, "${n.injected}", "${n.observed}", "${n.strikes}")
            }
        },
        table("recovery from", "times", "p50", "p95", "max", "bound") {
            report.recovery.map {
                listOf(it.kind.id, "${it.samples}", it.p50.said, it.p95.said, it.max.said, it.bound.said)
            }
        },
        table("check", "must hold", "guards", "result") { report.checks.map(::row) },
        broken(),
        listOf("Run it again: `${report.run.command}`"),
    ).flatten().joinToString("\n", postfix = "\n")

    private fun run() = with(report.run) {
        listOf(
            listOf("seed", "$seed"), listOf("commit", commit), listOf("PostgreSQL", postgres), listOf("JDK", jdk),
            listOf("plan", planHash),
        )
    }

    private fun counts() = with(report) {
        listOf(
            listOf("jobs", "$jobs"),
            listOf("ended", endings.entries.joinToString { (how, n) -> "$n $how" }),
            listOf("executions", "$executions"),
            listOf("duplicates", "${duplicates.values.sum()}"),
            listOf(
                "faults injected, observed",
                "${faults.values.sumOf {
                    it.injected
                }}, ${faults.values.sumOf { it.observed }}",
            ),
            listOf("writes fenced off", "$fencedWrites"),
            listOf("rescues", "$rescues"),
            listOf("leases revived", "$revivedLeases"),
            listOf(
                "commits of unknown outcome that had committed, had not",
                "$unknownCommitsThatCommitted, $unknownCommitsThatDidNot",
            ),
            listOf("violations", "${violations.size}"),
            listOf("inconclusive", "${inconclusive.size}"),
        )
    }

    private fun row(it: Judgement): List<String> {
        val result =
            when {
                it.violations.isNotEmpty() -> "**${it.violations.size} violations**"
                it.inconclusive.isNotEmpty() -> "**inconclusive**"
                it.notes.isNotEmpty() -> it.notes.joinToString("; ")
                else -> "holds"
            }
        return listOf(it.id, it.claim, it.guards.joinToString(" "), result)
    }

    private fun broken(): List<String> {
        if (report.isPassed) return emptyList()
        val violations =
            report.checks.flatMap { check ->
                check.violations.take(LISTED).map {
                    "- ${it.check}${it.job?.let { job ->
                        ", job $job"
                    }.orEmpty()}: ${it.what}"
                } +
                    listOfNotNull(
                        "- ${check.id}: and ${check.violations.size - LISTED} more".takeIf {
                            check.violations.size >
                                LISTED
                        },
                    )
            }
        return violations + report.inconclusive.map { "- inconclusive, $it" } + ""
    }

    private fun table(vararg head: String, rows: () -> List<List<String>>): List<String> {
        val lines = rows()
        if (lines.isEmpty()) return emptyList()
        return listOf(head.toList(), head.map { "---" }).plus(lines).map(::line) + ""
    }

    private fun line(cells: List<String>) =
        cells.joinToString(" | ", "| ", " |") { it.replace("|", "\\|").replace('\n', ' ') }

    private val Duration.said: String get() = toString(DurationUnit.SECONDS, decimals = 2)

    private companion object {
        const val LISTED = 20
    }
}
