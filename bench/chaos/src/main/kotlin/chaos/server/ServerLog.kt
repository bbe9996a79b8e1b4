package chaos.server

import java.io.RandomAccessFile
import java.nio.file.Path
import kotlin.io.path.fileSize

/** What the server wrote, a line for each error: the witness of what a fault did. */
class ServerLog internal constructor(val file: Path) {
    /** Where it ends now. */
    val end: Long get() = file.fileSize()

    /** The lines from [start] on that [matches] likes. */
    fun lines(start: Long = 0, matches: (String) -> Boolean = { true }): List<String> =
        RandomAccessFile(file.toFile(), "r").use { log ->
            log.seek(start)
            val bytes = ByteArray((log.length() - start).toInt())
            log.readFully(bytes)
            bytes.decodeToString().lineSequence().filter(matches).toList()
        }

    /** How many lines since [start] say one of [phrases]. */
    fun count(start: Long, vararg phrases: String): Int = lines(start) { line -> phrases.any { it in line } }.size
}
