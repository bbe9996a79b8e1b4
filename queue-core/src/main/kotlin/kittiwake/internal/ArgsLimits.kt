package kittiwake.internal

import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

internal const val MAX_ARGS_CHARACTERS = 256 * 1024
internal const val MAX_ARGS_DEPTH = 64

/** Refuses text that a row should not or cannot hold, before anything is sent to the server. */
internal fun checkArgs(text: String) {
    require(text.length <= MAX_ARGS_CHARACTERS) {
        "they take ${text.length} characters, more than the limit of $MAX_ARGS_CHARACTERS. " +
            "Store the data elsewhere and pass a reference"
    }
    checkDepth(text)
    if (unstorable(text) != null || "\\u0000" in text) throwWithPath(text)
}

/** Refuses text that nests so deep that whoever reads it may run out of stack. */
internal fun checkDepth(text: String) {
    // What opens has to close: a short text is not worth a look.
    if (text.length <= 2 * MAX_ARGS_DEPTH) return
    val depth = depth(text)
    require(depth <= MAX_ARGS_DEPTH) { "they nest $depth levels deep, more than the limit of $MAX_ARGS_DEPTH" }
}

private fun depth(text: String): Int {
    var deepest = 0
    var depth = 0
    var quoted = false
    var i = 0
    while (i < text.length) {
        when (text[i]) {
            '\\' -> if (quoted) i++
            '"' -> quoted = !quoted
            '{', '[' -> if (!quoted && ++depth > deepest) deepest = depth
            '}', ']' -> if (!quoted) depth--
        }
        i++
    }
    return deepest
}

private fun throwWithPath(text: String) {
    val found =
        try {
            pathTo(Json.parseToJsonElement(text)) { unstorable(it.content) }
        } catch (_: SerializationException) {
            null
        }
    val (path, what) = found ?: unstorable(text)?.let { "the text" to it } ?: return
    throw IllegalArgumentException("$path contains $what, which PostgreSQL cannot store")
}

/** The path to the first key or value of [element] that [problem] has something to say about, and what it says. */
internal fun pathTo(
    element: JsonElement,
    path: String = "$",
    problem: (JsonPrimitive) -> String?,
): Pair<String, String>? = when (element) {
    is JsonPrimitive -> problem(element)?.let { path to it }
    is JsonArray -> element.withIndex().firstNotNullOfOrNull { (i, child) -> pathTo(child, "$path[$i]", problem) }
    is JsonObject ->
        element.entries.firstNotNullOfOrNull { (key, child) ->
            problem(JsonPrimitive(key))?.let { "a key of $path" to it } ?: pathTo(child, "$path.$key", problem)
        }
}
