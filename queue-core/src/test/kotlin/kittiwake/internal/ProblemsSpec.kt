package kittiwake.internal

import io.kotest.assertions.throwables.shouldNotThrowAny
import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import io.kotest.property.Arb
import io.kotest.property.arbitrary.Codepoint
import io.kotest.property.arbitrary.az
import io.kotest.property.arbitrary.int
import io.kotest.property.arbitrary.string
import io.kotest.property.checkAll

class ProblemsSpec :
    FunSpec({
        context("checkConfig") {
            test("says nothing when every rule holds") {
                shouldNotThrowAny { checkConfig("It") { rule(true) { error("not asked for") } } }
            }
            test("reports every rule that does not hold, in order") {
                shouldThrow<IllegalArgumentException> {
                    checkConfig("It") {
                        rule(false) { "one" }
                        rule(true) { "two" }
                        rule(false) { "three" }
                    }
                }.message shouldBe "It is not configured correctly:\n  - one\n  - three"
            }
            test("indents what has several lines") {
                shouldThrow<IllegalArgumentException> {
                    checkConfig("It") { rule(false) { "one\ntwo" } }
                }.message shouldBe "It is not configured correctly:\n  - one\n    two"
            }
        }

        context("valid") {
            test("keeps the complaint of a constructor, and goes on") {
                shouldThrow<IllegalArgumentException> {
                    checkConfig("It") {
                        valid("part: ") { require(false) { "too small" } }.shouldBeNull()
                        valid { "fine" } shouldBe "fine"
                        rule(false) { "and this" }
                    }
                }.message shouldBe "It is not configured correctly:\n  - part: too small\n  - and this"
            }
            test("lets every other failure pass") {
                shouldThrow<IllegalStateException> { checkConfig("It") { valid<Any> { error("a defect") } } }
            }
        }

        context("didYouMean") {
            test("names the nearest candidate") {
                didYouMean("mails", listOf("images", "mail", "Nail")) shouldBe " Did you mean \"mail\"?"
                didYouMean("IMAGES", listOf("images")) shouldBe " Did you mean \"images\"?"
            }
            test("stays silent when none is near") {
                didYouMean("reports", listOf("mail", "images")) shouldBe ""
                didYouMean("reports", emptyList()) shouldBe ""
            }
            test("finds a word of which one letter was mistyped") {
                checkAll(Arb.string(4..12, Codepoint.az()), Arb.int(0..3)) { word, at ->
                    val mistyped = word.replaceRange(at, at + 1, "#")
                    didYouMean(mistyped, listOf("0123456789012345", word)) shouldBe " Did you mean \"$word\"?"
                }
            }
        }
    })
