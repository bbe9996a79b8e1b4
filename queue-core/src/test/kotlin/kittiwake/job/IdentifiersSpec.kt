package kittiwake.job

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import io.kotest.matchers.shouldNotBe
import io.kotest.matchers.string.shouldContain

class IdentifiersSpec :
    FunSpec({
        context("job names") {
            test("have 1 to 100 characters") {
                JobName("x").value shouldBe "x"
                JobName("x".repeat(100)).value.length shouldBe 100
                shouldThrow<IllegalArgumentException> { JobName("") }.message shouldBe
                    "Job names have 1 to 100 characters, not all of them spaces, but one had 0: \"\""
                shouldThrow<IllegalArgumentException> { JobName("x".repeat(101)) }.message shouldContain
                    "but one had 101"
            }
            test("are not all spaces") {
                shouldThrow<IllegalArgumentException> { JobName(" \u00a0 ") }
            }
            test("may be of any script") {
                JobName("bilder skalieren ✓ 縮小 😀").toString() shouldBe "bilder skalieren ✓ 縮小 😀"
            }
            test("do not begin with kw., which is reserved") {
                shouldThrow<IllegalArgumentException> { JobName("kw.prune") }.message shouldBe
                    "Job names that start with \"kw.\" are reserved, but one was \"kw.prune\""
                JobName("kwik").value shouldBe "kwik"
            }
            test("have no control characters, and the message says which and where") {
                shouldThrow<IllegalArgumentException> { JobName("mail\nsend") }.message shouldBe
                    "Job names have no control characters, but one has U+000A at 4"
                for (bad in listOf("a\u0000", "a\u007f", "a\u0085")) {
                    shouldThrow<IllegalArgumentException> { JobName(bad) }.message shouldContain
                        "U+%04X at 1".format(bad[1].code)
                }
            }
            test("have no half of a pair") {
                shouldThrow<IllegalArgumentException> { JobName("😀\ud800") }.message shouldBe
                    "Job names are text, but one contains the lone surrogate U+D800"
                shouldThrow<IllegalArgumentException> { JobName("\udc00b") }
            }
            test("that are far too long are not repeated whole") {
                shouldThrow<IllegalArgumentException> { JobName("x".repeat(1_000_000)) }.message!!.length shouldBe
                    "Job names have 1 to 100 characters, not all of them spaces, but one had 1000000: \"\"".length + 120
            }
        }

        context("queue names") {
            test("have 1 to 128 characters") {
                QueueName("x".repeat(128)).value.length shouldBe 128
                shouldThrow<IllegalArgumentException> { QueueName("x".repeat(129)) }.message shouldContain
                    "Queue names have 1 to 128 characters, not all of them spaces, but one had 129"
                shouldThrow<IllegalArgumentException> { QueueName("  ") }
            }
            test("have no control characters") {
                shouldThrow<IllegalArgumentException> { QueueName("a\tb") }.message shouldBe
                    "Queue names have no control characters, but one has U+0009 at 1"
            }
            test("may be the name of any job, and anything else one cares to write") {
                QueueName("kw.own").value shouldBe "kw.own"
                QueueName("two words").value shouldBe "two words"
            }
        }

        context("worker ids") {
            test("are UUIDs, each unlike any other") {
                WorkerId.random() shouldNotBe WorkerId.random()
                WorkerId("123e4567-e89b-12d3-a456-426614174000").toString() shouldBe
                    "123e4567-e89b-12d3-a456-426614174000"
                shouldThrow<IllegalArgumentException> { WorkerId("worker-1") }.message shouldBe
                    "A worker id is a UUID, but was \"worker-1\""
            }
        }

        context("job ids") {
            test("print as their number") {
                JobId(4711).toString() shouldBe "4711"
            }
        }
    })
