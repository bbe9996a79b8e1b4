package kittiwake.worker.internal

import kittiwake.internal.storable
import java.io.PrintWriter
import java.io.Writer

/** How much of a failure is kept with its attempt. */
internal const val MAX_ERROR_CHARACTERS = 10_000

/** The exception with its trace as it is stored: storable characters only, cut to [MAX_ERROR_CHARACTERS]. */
internal fun errorText(cause: Throwable): String {
    val writer = BoundedWriter()
    try {
        cause.printStackTrace(PrintWriter(writer))
    } catch (e: Exception) {
        writer.append("${cause::class.qualifiedName}, whose message cannot be read: ${e::class.qualifiedName}")
    }
    return storable(writer.text.toString(), MAX_ERROR_CHARACTERS)
}

/** Keeps the beginning, so that a huge message costs no more than a small one. */
private class BoundedWriter : Writer() {
    val text = StringBuilder()

    override fun write(buffer: CharArray, offset: Int, length: Int) {
        text.appendRange(
            buffer, offset,
            offset + length.coerceIn(0, (MAX_ERROR_CHARACTERS + 1 - text.length).coerceAtLeast(0)),
        )
    }

    override fun flush() = Unit

    override fun close() = Unit
}
