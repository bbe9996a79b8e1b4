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
    } catch (e: Throwable) {
        writer.append("${cause.javaClass.name}, whose message cannot be read: ${e.javaClass.name}")
    }
    return storable(writer.text.toString(), MAX_ERROR_CHARACTERS, writer.length)
}

/** Keeps the beginning, so that a huge message costs no more than a small one. */
private class BoundedWriter : Writer() {
    val text = StringBuilder()
    var length = 0L
        private set

    override fun write(buffer: CharArray, offset: Int, length: Int) {
        text.appendRange(buffer, offset, offset + kept(length))
    }

    // Not by way of the other, for which the whole string would be copied.
    override fun write(string: String, offset: Int, length: Int) {
        text.appendRange(string, offset, offset + kept(length))
    }

    private fun kept(coming: Int): Int {
        length += coming
        return coming.coerceAtMost(MAX_ERROR_CHARACTERS - text.length)
    }

    override fun flush() = Unit

    override fun close() = Unit
}
