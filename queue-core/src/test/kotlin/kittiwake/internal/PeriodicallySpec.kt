package kittiwake.internal

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kotlinx.coroutines.cancel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.runTest
import org.slf4j.LoggerFactory
import kotlin.random.Random

private val log = LoggerFactory.getLogger("kittiwake.test")!!

class PeriodicallySpec :
    FunSpec({
        test("a loop whose step never suspends ends when it is cancelled") {
            runTest {
                var steps = 0
                coroutineScope {
                    launch { forever("Counting", log, Random) { if (++steps == 3) this@launch.cancel() } }
                }
                steps shouldBe 3
            }
        }
    })
