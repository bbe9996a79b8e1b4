package chaos.proxy

import java.io.InputStream
import java.io.OutputStream

/** One message of the protocol: its type, and the beginning of what it carries. */
internal class Frame(val type: Char, private val bytes: ByteArray, private val from: Int, private val until: Int) {
    private var position = from

    /** The next text that ends in a zero, or what there is of it. */
    fun text(): String {
        var end = position
        while (end < until && bytes[end] != 0.toByte()) end++
        return String(bytes, position, end - position, Charsets.UTF_8).also { position = minOf(end + 1, until) }
    }

    fun byte(): Char = Char(bytes[position++].toUShort())
}

/**
 * Bytes on their way, cut into messages as they pass. A message that matters is held back until enough of it is there
 * to be understood; long ones are not collected.
 */
internal class FrameBuffer(startsUntyped: Boolean) {
    private val bytes = ByteArray(SIZE)
    private var filled = 0
    private var passed = 0

    /** What is still to come of a message that has been looked at. */
    private var rest = 0L
    private var isUntyped = startsUntyped
    private var isOpaque = false

    fun readFrom(input: InputStream): Int {
        val count = input.read(bytes, filled, SIZE - filled)
        if (count > 0) filled += count
        return count
    }

    /** Shows each message to [look] until that finds something, which is returned; it and what follows do not pass. */
    fun <T : Any> scan(look: (Frame) -> T?): T? {
        while (passed < filled) {
            if (rest > 0 || isOpaque) {
                val step = if (isOpaque) filled - passed else minOf(rest, (filled - passed).toLong()).toInt()
                passed += step
                rest -= step
                continue
            }
            val header = if (isUntyped) LENGTH else TYPE + LENGTH
            if (filled - passed < header) break
            val length = length(passed + header - LENGTH) - LENGTH
            val start = passed + header
            if (filled - start < minOf(length, WINDOW)) break
            if (isUntyped) {
                greet(start, length)
            } else {
                look(Frame(Char(bytes[passed].toUShort()), bytes, start, start + minOf(length, filled - start)))
                    ?.let { return it }
            }
            rest = header.toLong() + length
        }
        return null
    }

    fun writeTo(output: OutputStream) {
        output.write(bytes, 0, passed)
        bytes.copyInto(bytes, 0, passed, filled)
        filled -= passed
        passed = 0
    }

    fun clear() {
        filled = 0
        passed = 0
    }

    /** The first message of a client has no type. Encrypted, nothing can be read any more. */
    private fun greet(start: Int, length: Int) {
        val code = if (length >= LENGTH) length(start) else 0
        if (code == SSL_REQUEST || code == GSS_REQUEST) isOpaque = true
        isUntyped = false
    }

    private fun length(at: Int): Int = (0 until LENGTH).fold(0) { sum, i ->
        (sum shl 8) or
            (bytes[at + i].toInt() and 0xff)
    }

    private companion object {
        const val SIZE = 32_768
        const val TYPE = 1
        const val LENGTH = 4

        /** Enough for two names and the beginning of a statement. */
        const val WINDOW = 512
        const val SSL_REQUEST = 80_877_103
        const val GSS_REQUEST = 80_877_104
    }
}
