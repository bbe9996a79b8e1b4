package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe

class EndingTextsSpec :
    FunSpec({
        test("a text that may end a transaction is told each time") {
            repeat(3) { EndingTexts.mayEnd("insert into note (text) values ('a'); Commit") shouldBe true }
        }

        test("a text that cannot is told each time") {
            repeat(3) { EndingTexts.mayEnd("insert into weekend (committed_at) values (now())") shouldBe false }
        }

        test("more texts than are remembered are told as well, and so are longer ones") {
            for (number in 0 until 600) {
                EndingTexts.mayEnd("select $number") shouldBe false
                EndingTexts.mayEnd("select $number; end") shouldBe true
            }
            val long = "select '${"a".repeat(5_000)}'"
            repeat(2) { EndingTexts.mayEnd(long) shouldBe false }
            EndingTexts.mayEnd("$long; rollback") shouldBe true
        }
    })
