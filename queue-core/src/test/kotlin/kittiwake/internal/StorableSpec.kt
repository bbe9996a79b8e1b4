package kittiwake.internal

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import io.kotest.property.Arb
import io.kotest.property.arbitrary.char
import io.kotest.property.arbitrary.int
import io.kotest.property.arbitrary.list
import io.kotest.property.arbitrary.map
import io.kotest.property.checkAll

/** Any sequence of UTF-16 units, a third of them surrogates: most of them no valid text. */
private val anyUnits: Arb<String> =
    Arb
        .list(Arb.char('\u0000'..'\u0002', 'a'..'z', '\uD800'..'\uD820', '\uDC00'..'\uDC20'), 0..40)
        .map { it.joinToString("") }

class StorableSpec :
    FunSpec({
        context("unstorable") {
            test("finds nothing in text of any script") {
                unstorable("").shouldBeNull()
                unstorable("plain, ümläut, 縮小, 😀\t\n").shouldBeNull()
            }
            test("names what it finds") {
                unstorable("a\u0000b") shouldBe "U+0000"
                unstorable("a\uD83D") shouldBe "the lone surrogate U+D83D"
                unstorable("a\uDE00\uD83D") shouldBe "the lone surrogate U+DE00"
                unstorable("😀\uD83D😀") shouldBe "the lone surrogate U+D83D"
            }
            test("agrees with what UTF-8 can encode") {
                checkAll(anyUnits) { text ->
                    val survives = text.encodeToByteArray().decodeToString() == text && '\u0000' !in text
                    (unstorable(text) == null) shouldBe survives
                }
            }
        }

        context("storable") {
            test("leaves good text as it is") {
                val text = "it broke: 😀"
                storable(text, 100) shouldBe text
            }
            test("replaces just what cannot be stored") {
                storable("a\u0000b😀\uD83Dc\uDE00", 100) shouldBe "a\uFFFDb😀\uFFFDc\uFFFD"
            }
            test("cuts long text and says how much is missing") {
                storable("x".repeat(25), 10) shouldBe "xxxxxxxxxx… (15 more characters)"
                storable("x".repeat(10), 10) shouldBe "xxxxxxxxxx"
                storable("x".repeat(10), 10, length = 5_000_000_000) shouldBe
                    "xxxxxxxxxx… (4999999990 more characters)"
            }
            test("does not tear a pair when it cuts between its halves") {
                storable("ab😀", 3) shouldBe "ab\uFFFD… (1 more characters)"
            }
            test("is storable, whatever the text, and changes no other character") {
                checkAll(anyUnits, Arb.int(0..50)) { text, limit ->
                    val stored = storable(text, limit)
                    unstorable(stored).shouldBeNull()
                    val kept = text.take(limit)
                    stored.take(kept.length).zip(kept).forEach { (now, before) ->
                        if (now != before) now shouldBe '\uFFFD'
                    }
                }
            }
        }
    })
