package bench.chart

import bench.Bench
import bench.OF_LIMIT
import bench.Point
import bench.Question
import bench.Row
import bench.Series
import bench.Way
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContain
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.doubles.plusOrMinus
import io.kotest.matchers.doubles.shouldBeGreaterThan
import io.kotest.matchers.doubles.shouldBeLessThan
import io.kotest.matchers.shouldBe
import org.w3c.dom.Element
import org.xml.sax.InputSource
import java.io.StringReader
import javax.xml.parsers.DocumentBuilderFactory

class ChartSpec :
    FunSpec({
        test("a bar ends at the median, on the axis of its group") {
            val image = draw(row("one", 100.0, 200.0, 400.0), row("other", 400.0))

            val (one, other) = image.bars().map { it.number("width") }
            one shouldBe (other / 2 plusOrMinus 0.1)
        }

        test("a whisker reaches from the least to the most of the runs, and a single run has none") {
            draw(row("one", 100.0)).whiskers() shouldHaveSize 0

            val image = draw(row("one", 100.0, 200.0, 400.0))
            val bar = image.bars().single()
            val whisker = image.whiskers().maxBy { it.number("x2") - it.number("x1") }
            whisker.number("x1") - bar.number("x") shouldBe (bar.number("width") / 2 plusOrMinus 0.1)
            whisker.number("x2") - bar.number("x") shouldBe (bar.number("width") * 2 plusOrMinus 0.1)
        }

        test("bare SQL is grey, and what is compared with it says the share") {
            val image = draw(row("bare SQL", 200.0, isBare = true), row("ours", 150.0, share = 75.0))

            image.all("rect").map { it.getAttribute("fill") } shouldContain Ink.BARE
            image.texts().map { it.trim() } shouldContain "75.0 % of bare SQL"
        }

        test("a curve runs over the medians of all runs as far as the shortest goes") {
            fun series(vararg values: Double) =
                listOf(Series("backlog", "jobs", values.mapIndexed { i, it -> Point(i.toDouble(), it) }))
            val runs = listOf(series(1.0, 2.0, 3.0), series(1.0, 4.0))
            val row = Row("", "one", "", isBare = false, limit = null, runs.map { emptyMap() }, runs)

            val curve = curves(listOf(row)).getValue("backlog").single()

            curve.values.map { it.median } shouldBe listOf(1.0, 3.0)
        }

        test("the labels of curves that end side by side at the bottom stand apart, and above it") {
            val backlog = listOf(Series("backlog", "jobs", listOf(Point(0.0, 100.0), Point(1.0, 1.0))))
            val image =
                draw(
                    *listOf("one", "two", "three")
                        .map { Row("", it, "", false, null, listOf(mapOf("jobs/s" to 2.0)), listOf(backlog)) }
                        .toTypedArray(),
                )

            val bottom = image.all("line").filter { it.getAttribute("stroke") == Ink.AXIS }.maxOf { it.number("y1") }
            val labels = image.all("text").filter { it.textContent == "1.00" }.map { it.number("y") }.sorted()
            labels shouldHaveSize 3
            labels.zipWithNext { above, below -> below - above }.min() shouldBeGreaterThan 30.0
            labels.last() shouldBeLessThan bottom
        }

        test("is well-formed whatever the text says") {
            draw(row("a < b & \"c\"", 1.0)).texts() shouldContain "a < b & \"c\""
        }

        for ((most, last, count) in listOf(Triple(7_300.0, 8_000.0, 5), Triple(0.45, 0.5, 6), Triple(0.0, 1.0, 2))) {
            test("an axis to $most ends at $last in round steps") {
                val ticks = Scale(most, 0.0, 1.0).ticks

                ticks.last() shouldBe (last plusOrMinus 1e-9)
                ticks shouldHaveSize count
            }
        }

        val ticks = mapOf(250_000.0 to "250k", 1_500_000.0 to "1.5M", 5_000.0 to "5,000", 0.2 to "0.2", 0.0 to "0")
        for ((value, written) in ticks) {
            test("$value stands at an axis as $written") { tick(value) shouldBe written }
        }
    })

private object Asked : Question {
    override val name = "asked"
    override val asks = "how many?"

    override fun ways(bench: Bench): List<Way> = error("Not measured")
}

private fun row(what: String, vararg runs: Double, isBare: Boolean = false, share: Double? = null) = Row(
    "", what, "", isBare, null,
    runs = runs.map { rate -> mapOf("jobs/s" to rate) + if (share == null) emptyMap() else mapOf(OF_LIMIT to share) },
    series = emptyList(),
)

private fun draw(vararg rows: Row): Element = DocumentBuilderFactory
    .newInstance()
    .newDocumentBuilder()
    .parse(InputSource(StringReader(chart(Asked, rows.toList(), listOf("the machine")))))
    .documentElement

private fun Element.all(name: String): List<Element> =
    getElementsByTagName(name).let { found -> List(found.length) { found.item(it) as Element } }

private fun Element.texts(): List<String> = all("tspan").map { it.textContent }

private fun Element.bars(): List<Element> = all("rect").filter { it.getAttribute("fill") == Ink.OURS }

private fun Element.whiskers(): List<Element> = all("line").filter { it.getAttribute("stroke") == Ink.WHISKER }

private fun Element.number(attribute: String): Double = getAttribute(attribute).toDouble()
