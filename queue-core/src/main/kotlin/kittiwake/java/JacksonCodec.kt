package kittiwake.java

import com.fasterxml.jackson.core.JsonProcessingException
import com.fasterxml.jackson.databind.DeserializationFeature
import com.fasterxml.jackson.databind.JsonMappingException
import com.fasterxml.jackson.databind.ObjectMapper
import com.fasterxml.jackson.databind.SerializationFeature
import com.fasterxml.jackson.databind.exc.InvalidDefinitionException
import com.fasterxml.jackson.databind.json.JsonMapper
import kittiwake.internal.checkArgs
import kittiwake.job.ArgsCodec

/**
 * JSON by Jackson, for the args and results of jobs declared in Java. Its text is what kotlinx.serialization reads and
 * writes for an equal Kotlin class.
 *
 * ```java
 * Jobs.define("images", JacksonCodec.of(mapper, ResizeArgs.class)).build();
 * ```
 * This is the only class that needs Jackson on the class path, as `com.fasterxml.jackson.core:jackson-databind`.
 */
public class JacksonCodec<T> private constructor(private val mapper: ObjectMapper, private val type: Class<T>) :
    ArgsCodec<T> {
        init {
            try {
                mapper.readValue("{}", type)
            } catch (e: InvalidDefinitionException) {
                throw IllegalArgumentException("Jackson cannot read a ${type.name}: ${e.originalMessage}", e)
            } catch (_: JsonProcessingException) {
                // It can be read, though not from this.
            }
        }

        override fun encode(value: T): String = try {
            mapper.writeValueAsString(value)
        } catch (e: JsonProcessingException) {
            throw IllegalArgumentException("Jackson cannot write a ${type.name}: ${e.inWords()}", e)
        }

        override fun decode(text: String): T {
            checkArgs(text)
            val value =
                try {
                    mapper.readValue(text, type)
                } catch (e: JsonProcessingException) {
                    throw IllegalArgumentException("Jackson cannot read a ${type.name}: ${e.inWords()}", e)
                }
            return requireNotNull(value) { "a ${type.name} was expected, but the text is \"$text\"" }
        }

        override fun toString(): String = "JSON of ${type.name}, by Jackson"

        public companion object {
            // In an object of its own so that it is made when it is first needed, once.
            private val default: ObjectMapper by lazy {
                JsonMapper
                    .builder()
                    .findAndAddModules()
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)
                    .disable(SerializationFeature.WRITE_DURATIONS_AS_TIMESTAMPS)
                    .build()
            }

            /**
             * By a mapper that suits jobs: properties that [type] does not know are ignored, so that old workers read
             * new rows; times are written as ISO text; Jackson's modules on the class path are used.
             *
             * A number that the text does not have is an error rather than 0: declare one that a record got later as
             * `Integer` or `Long`, which is then null.
             */
            @JvmStatic
            public fun <T> of(type: Class<T>): JacksonCodec<T> = JacksonCodec(default, type)

            /**
             * By a mapper of your own. Let it ignore unknown properties, or old workers cannot read what new ones
             * enqueue.
             */
            @JvmStatic
            public fun <T> of(mapper: ObjectMapper, type: Class<T>): JacksonCodec<T> = JacksonCodec(mapper, type)
        }
    }

/** What is wrong and where, without the text around it, which may be personal data. */
private fun JsonProcessingException.inWords(): String {
    val path = (this as? JsonMappingException)?.path.orEmpty()
    val place = path.joinToString("") { part -> part.fieldName?.let { ".$it" } ?: "[${part.index}]" }
    return if (place.isEmpty()) originalMessage else "$originalMessage, at $$place"
}
