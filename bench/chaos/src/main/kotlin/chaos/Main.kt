package chaos

import chaos.history.History
import chaos.history.Journal
import chaos.plan.FaultPlan
import chaos.process.LogJournal
import chaos.report.Report
import chaos.report.RunOf
import chaos.report.Story
import java.io.IOException
import java.nio.file.Path
import kotlin.io.path.ExperimentalPathApi
import kotlin.io.path.createDirectories
import kotlin.io.path.deleteRecursively
import kotlin.io.path.writeText
import kotlin.system.exitProcess

/** One run by the seed and the length in [arguments]. It ends with 0 when nothing was broken and all could be told. */
fun main(arguments: Array<String>) {
    val options =
        try {
            Options.parse(arguments)
        } catch (e: IllegalArgumentException) {
            System.err.println("${e.message}\n\n${Options.usage}")
            exitProcess(2)
        }
    exitProcess(if (isPassed(options)) 0 else 1)
}

private fun isPassed(options: Options): Boolean {
    val results = freshFolder(options)
    LogJournal.install(Journal(results.resolve("controller.journal").toFile()))
    val plan = FaultPlan.of(options.seed, options.length, Cast.WORKERS, Cast.PRODUCERS)
    results.resolve("plan.txt").writeText("$plan")
    val jdk = "${Runtime.version()}"
    val heading = "Kittiwake under faults: seed ${options.seed}, plan ${plan.hash}, commit $commit, JDK $jdk"
    println(heading)
    val run = ChaosRun(options, plan, results)
    val history = run.run()
    val command = "mvn -q compile -Pchaos -pl bench/chaos -am -Dargs=\"$options\""
    val report =
        Report.of(
            RunOf(options.seed, commit, run.postgres, jdk, plan.hash, command),
            history,
        )
    results.resolve("report.json").writeText(report.json())
    results.resolve("report.md").writeText(report.markdown())
    println("\n${report.markdown()}")
    tellStories(report, history)
    println("$heading, PostgreSQL ${run.postgres}: ${report.verdict}; see $results")
    return report.isPassed
}

/** Of each check that was proven false, the whole story of the first jobs. */
private fun tellStories(report: Report, history: History) {
    for ((_, violations) in report.violations.groupBy { it.check }) {
        violations.mapNotNull { it.job }.distinct().take(STORIES).forEach { println("${Story(history, it)}\n") }
    }
}

@OptIn(ExperimentalPathApi::class)
private fun freshFolder(options: Options): Path {
    val folder = Path.of(System.getProperty("chaos.results") ?: "target/chaos").resolve("seed-${options.seed}")
    folder.deleteRecursively()
    return folder.createDirectories()
}

private val commit: String by lazy {
    try {
        val git = ProcessBuilder("git", "describe", "--always", "--dirty").start()
        git.inputReader().readText().trim().ifEmpty { "unknown" }
    } catch (_: IOException) {
        "unknown"
    }
}

private const val STORIES = 2
