package bench

import bench.chart.chart
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import java.io.File
import java.time.LocalDateTime
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter

/** All answers of one start of the program: as tables and charts for people, as JSON for comparisons. */
internal class Report(private val machine: Machine, private val options: Options) {
    private val answers = mutableListOf<Answer>()
    private val started = LocalDateTime.now(ZoneOffset.UTC)
    private val folder = File(System.getProperty("bench.results", "results"))

    fun heading(): String = machine.toString()

    /** Takes an answer in, writes its files, and returns it as a table. */
    fun add(question: Question, rows: List<Row>): String {
        val answer = Answer(question.name, question.asks, rows)
        answers += answer
        folder.mkdirs()
        File(folder, "${question.name}.json").writeText(json(listOf(answer)))
        File(folder, "${question.name}.svg").writeText(chart(question, rows, footer()))
        return "${question.name}: ${question.asks}\n${reading()}\n${table(rows)}"
    }

    /** Writes the file of all answers, which no later start replaces, and says where it is. */
    fun save(): File {
        val stamp = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").format(started)
        val file = File(folder, "${answers.joinToString("-") { it.question }}-$stamp.json")
        file.writeText(json(answers))
        return file
    }

    private fun json(answers: List<Answer>): String =
        JSON.encodeToString(Results("${started}Z", machine, options.workerJvm, answers)) + "\n"

    private fun reading(): String = "Each cell: " +
        if (options.runs > 1) "min / median / max of ${options.runs} runs" else "one run"

    private fun footer(): List<String> {
        val several = "Medians of ${options.runs} runs, whiskers from the least to the most"
        val runs = if (options.runs > 1) several else "One run"
        val grey = "Grey: bare SQL through JDBC in the same run"
        return listOf("${started.toLocalDate()}. $runs. $grey. Commits are durable.") + machine.lines()
    }

    private fun table(rows: List<Row>): String = rows
        .groupBy {
            it.group
        }.entries
        .joinToString("\n\n") { (name, group) ->
            // The row with the most figures has them in the right order, the percentage included.
            val figures = group.sortedByDescending { it.figures.size }.flatMap { it.figures }.distinct()
            val cells = listOf(listOf(name, "") + figures) +
                group.map { row -> listOf("  ${row.what}", row.settings) + figures.map(row::cell) }
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
