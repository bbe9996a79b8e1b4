package kittiwake.internal

/** Says which character of [text] PostgreSQL cannot store, or null when it can store them all. */
internal fun unstorable(text: String): String? {
    var i = 0
    while (i < text.length) {
        val c = text[i]
        when {
            c == '\u0000' -> return "U+0000"
            c.isHighSurrogate() && i + 1 < text.length && text[i + 1].isLowSurrogate() -> i++
            c.isSurrogate() -> return "the lone surrogate U+%04X".format(c.code)
        }
        i++
    }
    return null
}

/**
 * [text] as PostgreSQL can store it: forbidden characters replaced, and cut to [limit] characters with a note of how
 * many more of [length] there were.
 */
internal fun storable(text: String, limit: Int, length: Long = text.length.toLong()): String {
    val cut = if (length <= limit) text else text.take(limit) + "… (${length - limit} more characters)"
    if (unstorable(cut) == null) return cut
    return buildString(cut.length) {
        cut.forEachIndexed { i, c ->
            val isPaired =
                when {
                    c.isHighSurrogate() -> cut.getOrNull(i + 1)?.isLowSurrogate() == true
                    else -> cut.getOrNull(i - 1)?.isHighSurrogate() == true
                }
            append(if (c == '\u0000' || (c.isSurrogate() && !isPaired)) '\uFFFD' else c)
        }
    }
}
