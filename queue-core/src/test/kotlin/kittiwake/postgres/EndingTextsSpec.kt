package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe

class EndingTextsSpec :
    FunSpec({
        test("a text that may end a transaction is found each time") {
            val texts = EndingTexts()

            repeat(3) { texts.mayEnd("insert into note (text) values ('a'); Commit") shouldBe true }
            texts.remembered shouldBe 0
        }

        test("a text that cannot is remembered, and passes each time") {
            val texts = EndingTexts()

            repeat(3) { texts.mayEnd("insert into weekend (committed_at) values (now())") shouldBe false }
            texts.remembered shouldBe 1
        }

        test("no more are remembered than it has room for, and the others pass as well") {
            val texts = EndingTexts(most = 2)

            for (number in 0 until 5) {
                texts.mayEnd("select $number") shouldBe false
                texts.mayEnd("select $number; end") shouldBe true
            }
            texts.remembered shouldBe 2
            texts.mayEnd("select 4") shouldBe false
        }

        test("a long text is not remembered") {
            val texts = EndingTexts()
            val long = "select '${"a".repeat(5_000)}'"

            repeat(2) { texts.mayEnd(long) shouldBe false }
            texts.mayEnd("$long; rollback") shouldBe true
            texts.remembered shouldBe 0
        }
    })
