package samples.images

import com.github.ajalt.clikt.core.Context
import com.github.ajalt.clikt.core.CoreCliktCommand
import com.github.ajalt.clikt.core.ProgramResult
import com.github.ajalt.clikt.core.context
import com.github.ajalt.clikt.parameters.arguments.argument
import com.github.ajalt.clikt.parameters.arguments.check
import com.github.ajalt.clikt.parameters.arguments.help
import com.github.ajalt.clikt.parameters.arguments.optional
import com.github.ajalt.clikt.parameters.options.convert
import com.github.ajalt.clikt.parameters.options.default
import com.github.ajalt.clikt.parameters.options.help
import com.github.ajalt.clikt.parameters.options.option
import com.github.ajalt.clikt.parameters.types.int
import com.github.ajalt.clikt.parameters.types.path
import com.github.ajalt.clikt.parameters.types.restrictTo
import java.awt.Dimension
import java.nio.file.Path

/** The command line of the sample. It ends with 1, and says why, when the story did not go as it should. */
class ImagesCommand : CoreCliktCommand("images") {
    private val folder by argument()
        .path(mustExist = true, canBeFile = false)
        .optional()
        .help("A folder of pictures. Without one the sample paints its own")
        .check("it has no pictures in it") { picturesIn(it).isNotEmpty() }
    private val jdbcUrl by option(metavar = "URL")
        .help("A PostgreSQL, user and password in its URL; schema $SCHEMA is made anew. Default: one of its own")
    private val out by option()
        .path(canBeFile = false)
        .default(Path.of("images-out"))
        .help("Where everything is written. Default: images-out")
    private val count by option()
        .int()
        .restrictTo(1..MOTIFS.size)
        .default(MOTIFS.size)
        .help("How many pictures to paint. Default: ${MOTIFS.size}")
    private val size by option(metavar = "WIDTHxHEIGHT")
        .convert { sizeIn(it) ?: fail("\"$it\" is no size such as 2400x1600") }
        .default(Dimension(2400, 1600))
        .help("How large to paint them. Default: 2400x1600")

    init {
        // The core of Clikt leaves ending the process to others.
        context { exitProcess = { kotlin.system.exitProcess(it) } }
    }

    override fun help(context: Context) = "Makes thumbnails of a folder of pictures, by jobs on PostgreSQL."

    override fun run() {
        val summary = runImages(Settings(out, folder, jdbcUrl, count, size))
        println(report(summary))
        val missing = summary.missing()
        missing.forEach { System.err.println("Not as it should be: $it") }
        if (missing.isNotEmpty()) throw ProgramResult(1)
    }

    private fun sizeIn(text: String): Dimension? = Regex("([1-9][0-9]{1,4})x([1-9][0-9]{1,4})")
        .matchEntire(text)
        ?.destructured
        ?.let { (width, height) -> Dimension(width.toInt(), height.toInt()) }
}
