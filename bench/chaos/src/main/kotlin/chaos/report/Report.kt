package chaos.report

import chaos.check.Check
import chaos.check.Finding
import chaos.check.RecoveryTime
import chaos.check.RecoveryTimes
import chaos.check.Violation
import chaos.check.checks
import chaos.history.Change.Kind
import chaos.history.Entry.Settled
import chaos.history.Entry.Told
import chaos.history.History
import chaos.history.LifeChange
import chaos.history.Outcome
import chaos.plan.FaultKind
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json

/** What a run was: enough to do it again. */
@Serializable
data class RunOf(
    val seed: Long,
    /** The commit of the library. */
    val commit: String,
    val postgres: String,
    val jdk: String,
    val planHash: String,
    /** The command that runs it again. */
    val command: String,
)

/** What came out of a run, in figures: the file that is kept. */
@Serializable
data class Report(
    val run: RunOf,
    val jobs: Int,
    /** By how they ended; "unfinished" are those that no worker knows. */
    val endings: Map<String, Int>,
    val executions: Int,
    val duplicates: Map<String, Int>,
    val faults: Map<FaultKind, FaultCount>,
    val fencedWrites: Int,
    val rescues: Int,
    val revivedLeases: Int,
    val unknownCommitsThatCommitted: Int,
    val unknownCommitsThatDidNot: Int,
    val recovery: List<RecoveryTime>,
    val checks: List<Judgement>,
) {
    val violations: List<Violation> get() = checks.flatMap { it.violations }
    val inconclusive: List<String> get() = checks.flatMap { check -> check.inconclusive.map { "${check.id}: $it" } }

    /** Not being able to tell is not being right. */
    val isPassed: Boolean get() = violations.isEmpty() && inconclusive.isEmpty()

    val verdict: String get() = when {
        violations.isNotEmpty() -> "${violations.size} violations"
        isPassed -> "passed"
        else -> "inconclusive"
    }

    fun json(): String = FORMAT.encodeToString(serializer(), this)

    fun markdown(): String = ReportTable(this).toString()

    companion object {
        private val FORMAT = Json { prettyPrint = true }

        /** Asks [checks] of [history], and counts. */
        fun of(run: RunOf, history: History, checks: List<Check> = chaos.check.checks): Report {
            val findings = checks.associateWith { it.examine(history) }
            val figures = findings.values.flatMap { it.figures.entries }.associate { it.key to it.value }
            val ends = history.byJob.values
                .groupingBy { changes ->
                    changes.lastOrNull { it.kind.isEnd }?.kind
                }.eachCount()
            val rows = history.businesses.mapTo(mutableSetOf()) { it.id }
            val (committed, not) =
                history.entries<Settled>().filter { it.outcome == Outcome.UNKNOWN }.partition { it.business in rows }
            return Report(
                run = run,
                jobs = history.byJob.size,
                endings = ends.mapKeys { (kind, _) -> kind?.name?.lowercase() ?: "unfinished" }.toSortedMap(),
                executions = figures["executions"]?.toInt() ?: 0,
                duplicates = figures
                    .filterKeys { it.startsWith(CAUSE) }
                    .map { (cause, n) -> cause.removePrefix(CAUSE) to n.toInt() }
                    .toMap(),
                faults = history.faults.groupBy { it.fault.kind }.mapValues { (_, all) ->
                    FaultCount(all.size, all.count { it.strikes > 0 }, all.sumOf { it.strikes })
                },
                fencedWrites = history.entries<Told>().count { it.event == "LeaseLost" },
                rescues = history.changes.count { it.kind == Kind.RESCUED },
                revivedLeases = history.lives.count {
                    it.kind == LifeChange.Kind.BEAT && it.at - it.lastSeen > history.settings.lease
                },
                unknownCommitsThatCommitted = committed.size,
                unknownCommitsThatDidNot = not.size,
                recovery = RecoveryTimes(history).times,
                checks = findings.map { (check, finding) -> Judgement.of(check, finding) },
            )
        }

        private const val CAUSE = "duplicates: "
    }
}

/** How often a kind of fault was [injected], how often it was [observed] to strike, and how many [strikes] those were. */
@Serializable
data class FaultCount(val injected: Int, val observed: Int, val strikes: Int)

/** What one check says of the run. */
@Serializable
data class Judgement(
    val id: String,
    val guards: List<String>,
    val claim: String,
    val violations: List<Violation>,
    val inconclusive: List<String>,
    val notes: List<String>,
    val figures: Map<String, String>,
) {
    companion object {
        fun of(check: Check, finding: Finding): Judgement = Judgement(
            check.id, check.guards, check.claim,
            finding.violations, finding.inconclusive, finding.notes, finding.figures,
        )
    }
}
