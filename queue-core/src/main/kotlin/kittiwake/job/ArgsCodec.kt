package kittiwake.job

import kittiwake.internal.checkArgs
import kittiwake.internal.checkDepth
import kittiwake.internal.pathTo
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.KSerializer
import kotlinx.serialization.SerializationException
import kotlinx.serialization.descriptors.PolymorphicKind
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.descriptors.SerialKind
import kotlinx.serialization.descriptors.StructureKind
import kotlinx.serialization.descriptors.elementDescriptors
import kotlinx.serialization.json.Json
import kotlinx.serialization.serializer

/**
 * Turns the args (or the result) of a job into the text stored in its row, and back.
 *
 * The text is JSON unless you choose otherwise. It must be free of U+0000 and lone surrogates, which PostgreSQL cannot
 * store; enqueue checks that, and the size, before anything is sent. [decode] may throw anything: the worker keeps the
 * job and its text.
 */
public interface ArgsCodec<A> {
    /** The text for [value]. It throws when the value cannot be written, for example a NaN in JSON. */
    public fun encode(value: A): String

    /** The value that [text] stands for. */
    public fun decode(text: String): A

    public companion object {
        /**
         * How job args and results are written: unknown keys are ignored, so that old workers read new rows; defaults
         * are written.
         */
        public val Format: Json =
            Json {
                ignoreUnknownKeys = true
                encodeDefaults = true
            }

        /** JSON by the serializer of [A]. */
        public inline fun <reified A> serializable(format: Json = Format): ArgsCodec<A> =
            serializable({ format.serializersModule.serializer() }, format)

        /**
         * JSON by [serializer], looked up when the job is declared so that its absence is reported with the
         * declaration.
         */
        public fun <A> serializable(serializer: () -> KSerializer<A>, format: Json = Format): ArgsCodec<A> =
            SerializationCodec(
                try {
                    serializer()
                } catch (e: SerializationException) {
                    val what = e.message.orEmpty().lineSequence().first()
                    throw IllegalArgumentException(
                        "$what Mark it @Serializable and apply the serialization plugin",
                        e,
                    )
                },
                format,
            )
    }
}

/** A result as it is stored, checked like args; null when there is nothing to store. */
internal fun <R> ArgsCodec<R>.storedText(result: R): String? = encode(result).also(::checkArgs).ifEmpty { null }

private class SerializationCodec<A>(private val serializer: KSerializer<A>, private val format: Json) : ArgsCodec<A> {
    init {
        openPart(serializer.descriptor)?.let { part ->
            throw IllegalArgumentException(
                "$part is open or contextual, so old rows could become unreadable: " +
                    "use a sealed hierarchy or a concrete serializer",
            )
        }
    }

    override fun encode(value: A): String = try {
        format.encodeToString(serializer, value)
    } catch (e: SerializationException) {
        // Without the cause, which quotes what was written until then.
        throw pathToNoNumber(value)?.let { SerializationException("$it, which JSON cannot write") } ?: e
    }

    override fun decode(text: String): A = format.decodeFromString(serializer, text.also(::checkDepth))

    /** The format says that it met a NaN or an infinity, but not where. */
    private fun pathToNoNumber(value: A): String? {
        val permissive = Json(format) { allowSpecialFloatingPointValues = true }
        val element =
            try {
                permissive.encodeToJsonElement(serializer, value)
            } catch (_: SerializationException) {
                return null
            }
        return pathTo(element) { leaf -> leaf.content.takeIf { !leaf.isString && it in NO_NUMBERS } }
            ?.let { (path, number) -> "$path is $number" }
    }

    override fun toString(): String = "JSON of ${serializer.descriptor.serialName}"

    private companion object {
        val NO_NUMBERS = setOf("NaN", "Infinity", "-Infinity")
    }
}

/** The name of the first part of [root] whose classes are not known when the job is declared, or null. */
@OptIn(ExperimentalSerializationApi::class)
private fun openPart(root: SerialDescriptor): String? {
    val seen = mutableSetOf<SerialDescriptor>()

    fun search(descriptor: SerialDescriptor): String? {
        val isSeen = descriptor.kind == StructureKind.CLASS && !seen.add(descriptor)
        return when (descriptor.kind) {
            PolymorphicKind.OPEN, SerialKind.CONTEXTUAL -> descriptor.serialName
            // The second element wraps the subclasses, in a descriptor that calls itself contextual.
            PolymorphicKind.SEALED -> descriptor.getElementDescriptor(1).firstPart(::search)
            else -> if (isSeen) null else descriptor.firstPart(::search)
        }
    }
    return search(root)
}

@OptIn(ExperimentalSerializationApi::class)
private fun SerialDescriptor.firstPart(search: (SerialDescriptor) -> String?): String? =
    elementDescriptors.firstNotNullOfOrNull(search)
