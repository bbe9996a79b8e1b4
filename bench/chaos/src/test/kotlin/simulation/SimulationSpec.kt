package simulation

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kotlin.time.measureTimedValue

@OptIn(KittiwakeSpi::class)
class SimulationSpec :
    FunSpec({
        test("the same seed is the same story, to the byte") {
            for (seed in 1L..5L) {
                val first = simulate(Scenario.of(seed), isTold = true)
                simulate(Scenario.of(seed), isTold = true).story shouldBe first.story
            }
        }
        test("probe") {
            val times = mutableListOf<Long>()
            val runs = (1L..(System.getenv("KITTIWAKE_SEEDS") ?: "100").toLong()).map { seed ->
                val (run, took) = measureTimedValue { simulate(Scenario.of(seed)) }
                times += took.inWholeMicroseconds
                run
            }
            println("seeds ${runs.size} total ${times.sum() / 1000} ms, last 50 avg ${times.takeLast(50).average()} us, max ${times.max()}")
            println("changes " + runs.flatMap { it.history.changes }.groupingBy { it.kind }.eachCount())
            println("lives " + runs.flatMap { it.history.lives }.groupingBy { it.kind }.eachCount())
            println("told " + runs.flatMap { it.history.entries<chaos.history.Entry.Told>() }.groupingBy { it.event }.eachCount())
            println("drained " + runs.map { it.ending.drainedAfter?.div(it.scenario.lease) ?: 999.0 }.sorted().let { "${it[it.size / 2]} ${it[it.size * 9 / 10]} ${it.takeLast(8)}" })
            println("stops " + runs.map { it.ending.longestStop?.div(it.scenario.lease) ?: -1.0 }.sorted().takeLast(8))
            println("calls/s " + runs.map { it.ending.calls / it.ending.lasted.inWholeSeconds.toDouble() / it.scenario.nodes }.sorted().takeLast(8))
            println("lasted " + runs.map { it.ending.lasted }.average2())
            runs.filter { it.isBroken }.take(3).forEach { println(shrink(it)) }
            println("broken " + runs.filter { it.isBroken }.map { r -> r.scenario.seed to r.violations.map { it.check }.toSet() })
        }
    })

private fun List<kotlin.time.Duration>.average2() = fold(kotlin.time.Duration.ZERO) { a, b -> a + b } / size
