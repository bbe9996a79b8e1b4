package kittiwake.testing

import io.kotest.assertions.AssertionErrorBuilder.Companion.fail
import org.jetbrains.kotlin.abi.tools.AbiFilters
import org.jetbrains.kotlin.abi.tools.AbiTools
import java.nio.file.Path
import kotlin.io.path.Path
import kotlin.io.path.createParentDirectories
import kotlin.io.path.exists
import kotlin.io.path.extension
import kotlin.io.path.readText
import kotlin.io.path.walk
import kotlin.io.path.writeText

/** The public ABI of the classes under [classes], as the validator of the Kotlin team prints it. */
fun publicApiOf(classes: Path): String {
    val files = classes.walk().filter { it.extension == "class" }.map { it.toFile() }.sorted().toList()
    check(files.isNotEmpty()) { "No classes in $classes: compile first" }
    val nothing = AbiFilters(emptySet(), emptySet(), emptySet(), emptySet())
    return buildString { AbiTools.getInstance(AbiTools::class.java.classLoader).printJvmDump(this, files, nothing) }
}

/**
 * Compares the public ABI of this module with [dump], so that no word becomes public, and none goes, without being
 * seen. With the system property `kittiwake.api.write` it writes the dump instead.
 */
fun checkPublicApi(dump: Path, classes: Path = Path("target/classes")) {
    val actual = publicApiOf(classes)
    if (System.getProperty("kittiwake.api.write").toBoolean()) {
        dump.createParentDirectories().writeText(actual)
        return
    }
    val expected = if (dump.exists()) dump.readText() else ""
    if (actual == expected) return
    val gone = membersOf(expected) - membersOf(actual)
    val new = membersOf(actual) - membersOf(expected)
    fail(
        "The public API is not what $dump says. If that is meant, run `make api-dump` and commit the file.\n" +
            (gone.map { "- $it" } + new.map { "+ $it" }).joinToString("\n"),
    )
}

/** Every line of a dump below the class that it belongs to. */
private fun membersOf(dump: String): Set<String> {
    var owner = ""
    return dump.lines().filter { it.isNotBlank() && it != "}" }.mapTo(mutableSetOf()) { line ->
        if (!line.startsWith('\t')) owner = line.substringBefore(" : ").removeSuffix(" {")
        if (line.startsWith('\t')) "$owner: ${line.trim()}" else line.removeSuffix(" {")
    }
}
