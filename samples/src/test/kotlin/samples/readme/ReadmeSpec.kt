package samples.readme

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldNotBeEmpty
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.java.JobQueue
import kittiwake.java.StoredJob
import kittiwake.job.Ending
import kittiwake.job.JobState
import kittiwake.testing.TestDatabase
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.SchemaUtils
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.io.File

class ReadmeSpec :
    FunSpec({
        test("the program of the README enqueues in its transaction and works the job") {
            val db = Database.connect(TestDatabase.dataSource)
            transaction(db) { SchemaUtils.create(Uploads) }
            TestDatabase.kittiwake().use { kittiwake ->
                val state = uploadAndResize(kittiwake, db).shouldNotBeNull().state
                state.shouldBeInstanceOf<JobState.Ended>().ending shouldBe Ending.COMPLETED
            }
        }

        test("so does its program in Java") {
            JobQueue.of(TestDatabase.kittiwake()).use { queue ->
                val job = TestDatabase.connect { ReadmeJava.uploadAndResize(queue, it) }
                job.state() shouldBe StoredJob.State.COMPLETED
            }
        }

        test("every program text of the README and the guide stands in code that is compiled") {
            val snippets = documents("README.md", "docs/guide").flatMap(::snippets)
            snippets.shouldNotBeEmpty()
            snippets.mapNotNull { it.problem() }.shouldBeEmpty()
        }

        test("the first commands of the README are those that the build has") {
            val readme = File(root, "README.md").readText()
            firstCommandUnder("## Try it", readme) shouldBe "mvn -q compile -Pimages -pl samples -am"
            firstCommandUnder("## Test", readme) shouldBe "mvn -B verify"
        }

        test("every relative link of the documents leads to a file") {
            documents("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs").flatMap(::brokenLinks).shouldBeEmpty()
        }
    })

/** The checkout: the nearest folder above that holds the README. */
private val root: File = generateSequence(File("").absoluteFile) { it.parentFile }.first {
    File(it, "README.md")
        .exists()
}

private fun documents(vararg paths: String): List<File> =
    paths.flatMap { path -> File(root, path).walkTopDown().filter { it.extension == "md" } }

/** A fenced block in a programming language: its first line names the file that it was cut from. */
private class Snippet(private val document: File, private val lines: List<String>) {
    fun problem(): String? {
        val where = "${document.relativeTo(root)}: \"${lines.firstOrNull()}\""
        val source =
            MARKER.matchEntire(lines.firstOrNull().orEmpty())?.groupValues?.get(1) ?: return "$where names no file"
        val file = File(root, source)
        if (!file.exists()) return "$where: no such file"
        val code = normalised(file.readText())
        val missing = parts().filter { it !in code }
        return if (missing.isEmpty()) null else "$where does not stand there: $missing"
    }

    /** What was left out is marked by a line of its own. */
    private fun parts(): List<String> =
        lines.drop(1).joinToString("\n").split(LEFT_OUT).map(::normalised).filter { it.isNotEmpty() }

    private fun normalised(text: String) = text.replace(Regex("""\s+"""), " ").trim()

    private companion object {
        val MARKER = Regex("""// from (\S+)""")
        val LEFT_OUT = Regex("""(?m)^\s*// …$""")
    }
}

private fun snippets(document: File): List<Snippet> = Regex("""(?ms)^```(?:kotlin|java)\n(.*?)^```$""")
    .findAll(document.readText())
    .map { Snippet(document, it.groupValues[1].trimEnd().lines()) }
    .toList()

private fun firstCommandUnder(heading: String, text: String): String =
    text.substringAfter("$heading\n").substringAfter("```").substringAfter("\n").substringBefore("\n```")

private fun brokenLinks(document: File): List<String> = Regex("""\]\(([^)#\s]+)(?:#[^)]*)?\)""")
    .findAll(document.readText())
    .map { it.groupValues[1] }
    .filterNot { "://" in it }
    .filterNot { File(document.parentFile, it).exists() }
    .map { "${document.relativeTo(root)}: $it" }
    .toList()
