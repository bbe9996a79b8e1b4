package kittiwake.job

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.property.Arb
import io.kotest.property.arbitrary.Codepoint
import io.kotest.property.arbitrary.az
import io.kotest.property.arbitrary.bind
import io.kotest.property.arbitrary.double
import io.kotest.property.arbitrary.enum
import io.kotest.property.arbitrary.filter
import io.kotest.property.arbitrary.int
import io.kotest.property.arbitrary.list
import io.kotest.property.arbitrary.long
import io.kotest.property.arbitrary.map
import io.kotest.property.arbitrary.orNull
import io.kotest.property.arbitrary.string
import io.kotest.property.checkAll
import kittiwake.internal.MAX_ARGS_CHARACTERS
import kittiwake.internal.MAX_ARGS_DEPTH
import kittiwake.internal.checkArgs
import kotlinx.serialization.Serializable
import kotlinx.serialization.SerializationException

private enum class Fit { COVER, CONTAIN }

@Serializable
private data class Crop(val x: Int, val y: Int, val fit: Fit = Fit.COVER)

@Serializable
private data class Image(
    val id: Long,
    val path: String,
    val quality: Double?,
    val crops: List<Crop>,
    val tags: Map<String, String> = emptyMap(),
)

@Serializable
private class Ratios(val ratios: Map<String, List<Double>>)

private val images = ArgsCodec.serializable<Image>()

/** Any text that a database can hold, far beyond ASCII. */
private val texts: Arb<String> =
    Arb.string(0..40, Arb.int(1..0x10FFFF).filter { it !in 0xD800..0xDFFF }.map(::Codepoint))

private val anImage: Arb<Image> =
    Arb.bind(
        Arb.long(),
        texts,
        Arb.double().filter { it.isFinite() }.orNull(),
        Arb.list(Arb.bind(Arb.int(), Arb.int(), Arb.enum<Fit>(), ::Crop), 0..3),
        Arb.map(Arb.string(1..5, Codepoint.az()), texts, minSize = 0, maxSize = 3),
        ::Image,
    )

private fun nested(depth: Int): String = "[".repeat(depth) + "]".repeat(depth)

private fun problemOf(text: String): String? = shouldThrow<IllegalArgumentException> { checkArgs(text) }.message

class ArgsCodecSpec :
    FunSpec({
        context("a round trip") {
            test("gives back what went in, and its text passes every check") {
                checkAll(anImage) { image ->
                    val text = images.encode(image)
                    checkArgs(text)
                    images.decode(text) shouldBe image
                }
            }
        }

        context("decode") {
            test("ignores keys that it does not know, for old workers read new rows") {
                images.decode("""{"id":1,"path":"a","quality":null,"crops":[],"colour":{"deep":[1]}}""") shouldBe
                    Image(1, "a", null, emptyList())
            }
            test("says what is wrong with text that is not what it wrote") {
                shouldThrow<SerializationException> { images.decode("""{"id":1}""") }.message shouldContain "path"
                shouldThrow<SerializationException> { images.decode("not json") }
            }
            test("refuses nesting that could exhaust its thread's stack") {
                shouldThrow<IllegalArgumentException> { images.decode(nested(100_000)) }.message shouldBe
                    "they nest 100000 levels deep, more than the limit of 64"
            }
        }

        context("encode") {
            test("writes defaults, so that a new default does not change old jobs") {
                ArgsCodec.serializable<Crop>().encode(Crop(1, 2)) shouldBe """{"x":1,"y":2,"fit":"COVER"}"""
            }
            test("refuses numbers that JSON does not have, and says where they are") {
                val codec = ArgsCodec.serializable<Ratios>()
                for (bad in listOf(Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY)) {
                    shouldThrow<SerializationException> {
                        codec.encode(Ratios(mapOf("NaN" to listOf(1.0, bad))))
                    }.message shouldBe "$.ratios.NaN[1] is $bad, which JSON cannot write"
                }
            }
        }

        context("text for a row") {
            test("has no U+0000 in any value, and the message has its path") {
                problemOf("""{"customer":{"name":"a\u0000"}}""") shouldBe
                    "$.customer.name contains U+0000, which PostgreSQL cannot store"
                problemOf("""{"lines":[{"texts":["a",["b","\u0000"]]}]}""") shouldBe
                    "$.lines[0].texts[1][1] contains U+0000, which PostgreSQL cannot store"
            }
            test("has no U+0000 in any key") {
                problemOf("""{"a":{"b\u0000":1}}""") shouldBe
                    "a key of $.a contains U+0000, which PostgreSQL cannot store"
            }
            test("has no lone surrogates") {
                problemOf("{\"a\":[\"\uD83D\"]}") shouldBe
                    "$.a[0] contains the lone surrogate U+D83D, which PostgreSQL cannot store"
                problemOf("{\"\uDE00\":1}") shouldBe
                    "a key of $ contains the lone surrogate U+DE00, which PostgreSQL cannot store"
                checkArgs("{\"\uD83D\uDE00\":\"\uD83D\uDE00\"}")
            }
            test("may speak of U+0000 without having one") {
                checkArgs("""{"text":"write \\u0000 for it"}""")
            }
            test("is told of by the codec's own values too") {
                val text = images.encode(Image(1, "a\u0000", null, emptyList()))
                problemOf(text) shouldBe "$.path contains U+0000, which PostgreSQL cannot store"
            }
            test("need not be JSON to be checked") {
                checkArgs("<xml/>")
                problemOf("<a>\u0000</a>") shouldBe "the text contains U+0000, which PostgreSQL cannot store"
                problemOf("{\"a\":\"\uD800\",\"a\":1}") shouldBe
                    "the text contains the lone surrogate U+D800, which PostgreSQL cannot store"
            }
            test("has a limit of size") {
                checkArgs("\"" + "x".repeat(MAX_ARGS_CHARACTERS - 2) + "\"")
                problemOf("x".repeat(MAX_ARGS_CHARACTERS + 1)) shouldBe
                    "they take 262145 characters, more than the limit of 262144. " +
                    "Store the data elsewhere and pass a reference"
            }
            test("has a limit of depth, for which brackets in strings do not count") {
                checkArgs(nested(MAX_ARGS_DEPTH))
                problemOf(nested(MAX_ARGS_DEPTH + 1)) shouldBe "they nest 65 levels deep, more than the limit of 64"
                checkArgs("""["${"[{".repeat(100)}", "\"${"[".repeat(100)}"]""")
            }
        }
    })
