package kittiwake

import io.kotest.assertions.withClue
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldNotBeEmpty
import io.kotest.matchers.shouldBe
import java.nio.file.Path
import kotlin.io.path.Path
import kotlin.io.path.extension
import kotlin.io.path.invariantSeparatorsPathString
import kotlin.io.path.readText
import kotlin.io.path.relativeTo
import kotlin.io.path.walk

/** A job's life from left to right. What stands together is on one step and does not know its neighbour. */
private val STEPS =
    listOf(
        listOf("job"),
        listOf("event"),
        listOf("enqueue"),
        listOf("store"),
        listOf("upkeep"),
        listOf("worker"),
        listOf("postgres"),
        listOf("java", "testing"),
    )

/** Broad catches that need not look for a cancellation, and why. */
private val NOTHING_SUSPENDS_IN =
    mapOf(
        "worker/internal/ErrorText.kt errorText" to "prints an exception",
        "worker/internal/JobRunner.kt decide" to "asks the retry policy",
        "worker/internal/JobRunner.kt run" to "decodes args, before the handler begins",
        "worker/internal/JobRunner.kt succeeded" to "encodes a result",
        "worker/internal/Telling.kt tell" to "calls an observer",
    )

private class Source(root: Path, file: Path) {
    val path = file.relativeTo(root).invariantSeparatorsPathString
    val folder = path.substringBefore('/', missingDelimiterValue = "")
    val text = file.readText()
    val imports = Regex("""^import (\S+)""", RegexOption.MULTILINE).findAll(text).map { it.groupValues[1] }.toList()

    /** The folders of this module that it imports from; nothing for what lies at the root. */
    val neighbours =
        imports.mapNotNull { Regex("""kittiwake\.([a-z]+)\..*""").matchEntire(it)?.groupValues?.get(1) }.toSet()

    /** The broad catches whose block neither throws nor looks for a cancellation, by the function they are in. */
    fun carelessCatches(): List<String> = Regex("""catch \(\w+: (?:Exception|Throwable)\) \{""")
        .findAll(text)
        .mapNotNull { catch ->
            val block = blockAt(catch.range.last)
            val function = Regex("""fun (?:<[^>]*> )?(?:\w+\.)?(\w+)\(""").findAll(text.take(catch.range.first)).last()
            "$path ${function.groupValues[1]}".takeUnless { "ensureActive()" in block || "throw " in block }
        }.toList()

    private fun blockAt(brace: Int): String {
        var depth = 0
        for (i in brace until text.length) {
            if (text[i] == '{') depth++
            if (text[i] == '}' && --depth == 0) return text.substring(brace, i + 1)
        }
        error("$path: a catch without an end")
    }
}

class ArchitectureSpec :
    FunSpec({
        val root = Path("src/main/kotlin/kittiwake")
        val sources = root.walk().filter { it.extension == "kt" }.map { Source(root, it) }.toList()

        fun inFolders(vararg folders: String) = sources.filter { it.folder in folders }

        test("every folder has its place in the life of a job") {
            sources.shouldNotBeEmpty()
            (sources.map { it.folder }.toSet() - STEPS.flatten() - setOf("", "internal")).shouldBeEmpty()
        }
        test("imports only point left") {
            fun stepOf(folder: String) = STEPS.indexOfFirst { folder in it }
            for (source in sources.filter { it.folder != "internal" && it.folder != "" }) {
                withClue("${source.path} looks right, or at a neighbour on its own step") {
                    source.neighbours
                        .filter { neighbour ->
                            neighbour != "internal" && neighbour != source.folder &&
                                stepOf(neighbour) >= stepOf(source.folder)
                        }.shouldBeEmpty()
                }
            }
        }
        test("internal is free for all, and leans on none of them") {
            for (source in inFolders("internal", "")) {
                withClue(source.path) { (source.neighbours - "internal").shouldBeEmpty() }
            }
        }
        test("only postgres and java know JDBC") {
            sources
                .filter { "java.sql." in it.text || "javax.sql." in it.text }
                .filterNot { it.folder in setOf("postgres", "java") }
                .map { it.path }
                .shouldBeEmpty()
        }
        test("only java knows java.time, and the statements, where JDBC demands it") {
            sources
                .filter { "java.time." in it.text }
                .filterNot { it.folder == "java" || it.path.startsWith("postgres/statement/") }
                .map { it.path }
                .shouldBeEmpty()
        }
        test("nobody reads this process's clock but to see that a time is plausible") {
            val clocks =
                Regex("""Clock\.System|currentTimeMillis|\b(Instant|Date|DateTime|LocalDate)\.now\(|\bDate\(\)""")
            sources.filter { clocks.containsMatchIn(it.text) }.map { it.path } shouldBe listOf("enqueue/NewJob.kt")
        }
        test("the engine has no clock, chance or thread of its own: a simulation gives it all three") {
            val own =
                Regex("""TimeSource\.Monotonic|Clock\.System|(?<!fun )Random\.|Random\(\)|Dispatchers\.|\.random\(\)""")
            inFolders("worker", "upkeep", "internal")
                .filter { own.containsMatchIn(it.text.replace(Regex("import .*"), "")) }
                .map { it.path }
                .sorted() shouldBe
                listOf("internal/BlockingDispatcher.kt", "worker/Worker.kt", "worker/WorkerBuilder.kt")
        }
        test("nothing is launched in the GlobalScope") {
            sources.filter { "GlobalScope" in it.text }.map { it.path }.shouldBeEmpty()
        }
        test("no import is a wildcard") {
            sources.filter { source -> source.imports.any { it.endsWith(".*") } }.map { it.path }.shouldBeEmpty()
        }
        context("cancellation") {
            val engine = inFolders("worker", "upkeep", "internal")

            test("is looked for by every broad catch of the engine that does not throw on") {
                engine.flatMap { it.carelessCatches() }.sorted() shouldBe NOTHING_SUSPENDS_IN.keys.sorted()
            }
            test("is not swallowed by a runCatching") {
                engine.filter { "runCatching" in it.text }.map { it.path }.shouldBeEmpty()
            }
        }
    })
