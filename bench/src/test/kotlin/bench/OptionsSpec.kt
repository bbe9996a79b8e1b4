package bench

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe

class OptionsSpec :
    FunSpec({
        fun parse(vararg arguments: String) = Options.parse(arrayOf(*arguments))

        test("asks all questions three times when nothing is said") {
            val options = parse()

            options.questions shouldBe questions.map { it.name }
            options.runs shouldBe 3
        }

        test("reads questions and settings in any order") {
            val options = parse("--runs=1", "drain", "--only=archive off, one worker")

            options.questions shouldBe listOf("drain")
            options.runs shouldBe 1
            options.only shouldBe "archive off, one worker"
        }

        test("wants what contains the text, or one of several, and all when nothing is said") {
            val several = parse("--only=on JDBC, 8|in Exposed, 8")

            several.wants("on JDBC, 8 at once") shouldBe true
            several.wants("bare SQL, insert in Exposed, 8 threads") shouldBe true
            several.wants("in Exposed, archived, 8 at once") shouldBe false
            parse().wants("in Exposed, archived, 8 at once") shouldBe true
        }

        context("refuses what it does not understand:") {
            val wrong =
                listOf(
                    "--run=1" to "There is no option --run",
                    "drian" to "There is no question \"drian\"",
                    "--runs=many" to "--runs must be a number from 1, but was \"many\"",
                    "--jobs=10" to "--jobs must be a number from 10000, but was \"10\"",
                )
            for ((argument, complaint) in wrong) {
                test(argument) { shouldThrow<IllegalArgumentException> { parse(argument) }.message shouldBe complaint }
            }
        }
    })
