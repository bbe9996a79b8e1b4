package kittiwake.upkeep

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.ints.shouldBeGreaterThan
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.WorkerId
import kittiwake.store.JobStore
import kittiwake.testing.InMemoryJobStore
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.runTest
import kotlinx.coroutines.test.testTimeSource
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

@OptIn(KittiwakeSpi::class)
class UpkeepSpec :
    FunSpec({
        test("a worker that may not rescue yet leaves the turn to others") {
            runTest {
                val store = CountsTurns(InMemoryJobStore(testTimeSource))
                var healthySince = testTimeSource.markNow()
                val upkeep =
                    Upkeep(
                        WorkerId.random(Random(1)), store, 10.seconds, rescueEvery = 1.seconds, emptySet(), Random(1),
                        { healthySince }, {},
                    )
                backgroundScope.launch { upkeep.run() }
                delay(9.seconds)
                store.rescues shouldBe 0
                delay(9.seconds)
                store.rescues shouldBeGreaterThan 0

                healthySince = testTimeSource.markNow()
                val before = store.rescues
                delay(9.seconds)
                store.rescues shouldBe before
            }
        }
    })

@OptIn(KittiwakeSpi::class)
private class CountsTurns(private val real: JobStore) : JobStore by real {
    var rescues = 0

    override suspend fun takeTurn(task: String, every: Duration): Boolean =
        real.takeTurn(task, every).also { if (it && task == "rescue") rescues++ }
}
