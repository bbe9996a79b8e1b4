package kittiwake.java

import com.fasterxml.jackson.databind.DeserializationFeature
import com.fasterxml.jackson.databind.json.JsonMapper
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.property.Arb
import io.kotest.property.arbitrary.arbitrary
import io.kotest.property.arbitrary.asString
import io.kotest.property.arbitrary.boolean
import io.kotest.property.arbitrary.codepoints
import io.kotest.property.arbitrary.enum
import io.kotest.property.arbitrary.filter
import io.kotest.property.arbitrary.int
import io.kotest.property.arbitrary.list
import io.kotest.property.arbitrary.long
import io.kotest.property.arbitrary.map
import io.kotest.property.arbitrary.numericDouble
import io.kotest.property.arbitrary.orNull
import io.kotest.property.arbitrary.string
import io.kotest.property.checkAll
import kittiwake.internal.unstorable
import kittiwake.job.ArgsCodec
import kotlinx.serialization.Serializable
import java.time.Instant

class JacksonCodecSpec :
    FunSpec({
        val jackson = JacksonCodec.of(Shapes.Picture::class.java)
        val kotlin = ArgsCodec.serializable<KotlinPicture>()

        test("what Jackson writes of a record, an equal Kotlin class reads, and the other way round") {
            checkAll(500, pictures) { picture ->
                val record = Shapes.of(picture)
                kotlin.decode(jackson.encode(record)) shouldBe picture
                jackson.decode(kotlin.encode(picture)) shouldBe record
                jackson.decode(jackson.encode(record)) shouldBe record
            }
        }

        test("properties that the record does not know are ignored") {
            val codec = JacksonCodec.of(Shapes.Point::class.java)
            codec.decode("""{"x":1,"y":2,"z":{"deep":[3]}}""") shouldBe Shapes.Point(1, 2)
        }

        test("a number that the text does not have is an error, not 0") {
            val codec = JacksonCodec.of(Shapes.Point::class.java)
            shouldThrow<IllegalArgumentException> { codec.decode("""{"x":1}""") }.message shouldContain "at $.y"
        }

        test("a record without components is an empty object") {
            val codec = JacksonCodec.of(Shapes.Nothing::class.java)
            codec.encode(Shapes.Nothing()) shouldBe "{}"
            codec.decode("{}") shouldBe Shapes.Nothing()
        }

        test("text that is no such value is refused with the place, and without the text around it") {
            val message =
                shouldThrow<IllegalArgumentException> {
                    jackson.decode("""{"id":1,"title":"secret","points":[{"x":1,"y":2},{"x":"no number","y":2}]}""")
                }.message!!
            message shouldContain "at $.points[1].x"
            ("secret" in message) shouldBe false
            for (text in listOf("null", "", "{", "{} {}", "[]", "7")) {
                shouldThrow<IllegalArgumentException> { jackson.decode(text) }
            }
        }

        test("a value that Jackson cannot write is refused with the place") {
            val codec = JacksonCodec.of(Shapes.Chain::class.java)
            val chain = Shapes.Chain().also { it.next = it }
            shouldThrow<IllegalArgumentException> { codec.encode(chain) }.message shouldContain "at $.next"
        }

        test("a class that Jackson cannot read is refused when the job is declared") {
            shouldThrow<IllegalArgumentException> { define("x", Runnable::class.java).build() }
                .message shouldContain "args: Jackson cannot read a java.lang.Runnable"
        }

        test("a value that needs a module of Jackson says which") {
            val codec = JacksonCodec.of(Shapes.Timed::class.java)
            shouldThrow<IllegalArgumentException> { codec.encode(Shapes.Timed(Instant.now())) }
                .message shouldContain "jackson-datatype-jsr310"
        }

        test("a mapper of one's own decides for itself") {
            val strict = JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build()
            val codec = JacksonCodec.of(strict, Shapes.Point::class.java)
            codec.decode("""{"x":1}""") shouldBe Shapes.Point(1, 0)
            shouldThrow<IllegalArgumentException> { codec.decode("""{"x":1,"z":2}""") }
        }
    })

@Serializable
data class KotlinPoint(val x: Int, val y: Int)

@Serializable
data class KotlinPicture(
    val id: Long,
    val title: String?,
    val scale: Double,
    val isPublic: Boolean,
    val tint: Shapes.Tint,
    val points: List<KotlinPoint>,
    val labels: Map<String, String>,
)

private val pictures =
    arbitrary {
        val text = Arb.string(0..12, Arb.codepoints().filter { unstorable(it.asString()) == null })
        KotlinPicture(
            Arb.long().bind(),
            text.orNull(0.2).bind(),
            Arb.numericDouble().bind(),
            Arb.boolean().bind(),
            Arb.enum<Shapes.Tint>().bind(),
            Arb.list(Arb.list(Arb.int(), 2..2).map { (x, y) -> KotlinPoint(x, y) }, 0..3).bind(),
            Arb.map(text, text, 0, 3).bind(),
        )
    }
