package bench

import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import java.io.File
import java.time.LocalDateTime
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter

/** All answers of one start of the program: as tables for people, as JSON for charts and comparisons. */
internal class Report(private val machine: Machine, private val options: Options) {
    private val answers = mutableListOf<Answer>()
    private val started = LocalDateTime.now(ZoneOffset.UTC)

    fun heading(): String = machine.toString()

    /** Takes an answer in, and returns it as a table. */
    fun add(question: Question, rows: List<Row>): String {
        answers += Answer(question.name, question.asks, rows)
        val reading = "Each cell: min / median / max of ${options.runs} runs"
        return "${question.name}: ${question.asks}\n$reading\n${table(rows)}"
    }

    /** Writes the file, and says where it is. */
    fun save(): File {
        val folder = File(System.getProperty("bench.results", "results")).apply { mkdirs() }
        val stamp = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").format(started)
        val file = File(folder, "${answers.joinToString("-") { it.question }}-$stamp.json")
        file.writeText(JSON.encodeToString(Results("${started}Z", machine, options.workerJvm, answers)) + "\n")
        return file
    }

    /** Rows with the same figures share a table. */
    private fun table(rows: List<Row>): String = rows.groupBy { it.figures }.values.joinToString("\n\n") { group ->
        val figures = group.first().figures
        val cells = listOf(listOf("", "settings") + figures) +
            group.map { row -> listOf(row.what, row.settings) + figures.map(row::spread) }
        val widths = cells.first().indices.map { column -> cells.maxOf { it[column].length } }
        cells.joinToString("\n") { line ->
            line
                .mapIndexed { i, cell -> if (i < 2) cell.padEnd(widths[i]) else cell.padStart(widths[i]) }
                .joinToString("  ")
                .trimEnd()
        }
    }

    @Serializable
    private class Answer(val question: String, val asks: String, val rows: List<Row>)

    @Serializable
    private class Results(
        val startedAt: String,
        val machine: Machine,
        val workerJvm: List<String>,
        val answers: List<Answer>,
    )

    private companion object {
        val JSON = Json { prettyPrint = true }
    }
}
