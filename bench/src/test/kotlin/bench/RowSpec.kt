package bench

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.doubles.plusOrMinus
import io.kotest.matchers.shouldBe

class RowSpec :
    FunSpec({
        test("a rate is told as a share of the limit's rate in the same run") {
            val row = row(60.0, 90.0, limits = listOf(80.0, 100.0))

            row.runs.map { it[OF_LIMIT] } shouldBe listOf(75.0, 90.0)
            row.figures shouldBe listOf("jobs/s", OF_LIMIT)
        }

        test("a share that was measured closer in time than in the same run is kept") {
            val measured = Sample(mapOf("jobs/s" to 60.0, OF_LIMIT to 80.0))

            val row = Row.of(way(limit = way()), listOf(measured), listOf(sample(100.0)))

            row.runs.map { it[OF_LIMIT] } shouldBe listOf(80.0)
        }

        test("a time twice as long as the limit's is half of what is possible") {
            val bare = listOf(Sample(mapOf("p50 ms" to 0.5)))

            val row = Row.of(way(limit = way()), listOf(Sample(mapOf("p50 ms" to 1.0))), bare)

            checkNotNull(row.runs.single()[OF_LIMIT]) shouldBe (50.0 plusOrMinus 1e-9)
        }

        test("a cell holds the least, the middle and the most of the runs") {
            row(3.0, 1.0, 2.0).cell("jobs/s") shouldBe "1.00 / 2.00 / 3.00"
        }

        test("a cell says when a figure could not be known, and is empty when the row has no such figure") {
            val row = Row.of(way(), listOf(Sample(mapOf("jobs/s" to 1.0, "server µs/job" to null))), limits = null)

            row.cell("server µs/job") shouldBe "n/a"
            row.cell("p50 ms") shouldBe ""
        }
    })

private fun way(limit: Way? = null) = Way("group", "what", limit = limit) { error("Not measured") }

private fun row(vararg rates: Double, limits: List<Double>? = null): Row =
    Row.of(way(limits?.let { way() }), rates.map(::sample), limits?.map(::sample))

private fun sample(rate: Double) = Sample(mapOf("jobs/s" to rate))
