package bench

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe

class FiguresSpec :
    FunSpec({
        context("percentile") {
            val hundred = (1..100).map { it.toDouble() }
            for ((share, expected) in listOf(.5 to 50.0, .99 to 99.0, .991 to 100.0, 1.0 to 100.0, 0.0 to 1.0)) {
                test("$share of 1 to 100 do not exceed $expected") { hundred.percentile(share) shouldBe expected }
            }
            test("of one value is that value") { listOf(7.0).percentile(.5) shouldBe 7.0 }
        }

        context("short") {
            val rates = mapOf(171_234.4 to "171,234", 12.34 to "12.3", 0.456 to "0.46", -2.0 to "-2.00", null to "n/a")
            for ((value, text) in rates) test("$value is written $text") { value.short() shouldBe text }
        }

        test("the middle of an even number of runs lies between the two in the middle") {
            Spread.of(listOf(4.0, 1.0, 2.0, 3.0))?.median shouldBe 2.5
        }
    })
