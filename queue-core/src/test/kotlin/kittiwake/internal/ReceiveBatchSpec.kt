package kittiwake.internal

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldNotBeEmpty
import io.kotest.matchers.ints.shouldBeLessThanOrEqual
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import io.kotest.property.Arb
import io.kotest.property.arbitrary.int
import io.kotest.property.arbitrary.list
import io.kotest.property.checkAll
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.currentTime
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

@OptIn(ExperimentalCoroutinesApi::class)
class ReceiveBatchSpec :
    FunSpec({
        test("neither loses nor duplicates nor exceeds the size, however elements come in") {
            checkAll(Arb.list(Arb.int(0..5), 0..60), Arb.int(1..7), Arb.int(0..4), Arb.int(1..10)) {
                pauses,
                limit,
                window,
                capacity,
                ->
                runTest {
                    val channel = Channel<Int>(capacity)
                    launch {
                        pauses.forEachIndexed { i, pause ->
                            delay(pause.milliseconds)
                            channel.send(i)
                        }
                        channel.close()
                    }
                    val received = mutableListOf<Int>()
                    while (true) {
                        val batch = channel.receiveBatch(limit) { window.milliseconds } ?: break
                        batch.shouldNotBeEmpty()
                        batch.size shouldBeLessThanOrEqual limit
                        received += batch
                    }
                    received shouldBe pauses.indices.toList()
                }
            }
        }
        test("waits for the first element, then for one window and no longer") {
            runTest {
                val channel = Channel<Int>(10)
                val batch = async { channel.receiveBatch(limit = 5) { 10.milliseconds } to currentTime }
                launch {
                    for (i in 1..4) {
                        delay(8.milliseconds)
                        channel.send(i)
                    }
                }
                batch.await() shouldBe (listOf(1, 2) to 18L)
            }
        }
        test("does not wait when the batch is full at once") {
            runTest {
                val channel = Channel<Int>(10)
                repeat(7) { channel.send(it) }
                channel.receiveBatch(limit = 5) { 10.milliseconds } shouldBe listOf(0, 1, 2, 3, 4)
                currentTime shouldBe 0
            }
        }
        test("does not wait when there is no window") {
            runTest {
                val channel = Channel<Int>(10)
                channel.send(1)
                channel.receiveBatch(limit = 5) { Duration.ZERO } shouldBe listOf(1)
                currentTime shouldBe 0
            }
        }
        test("gives what is left in a closed channel, then null") {
            runTest {
                val channel = Channel<Int>(10)
                channel.send(1)
                channel.close()
                channel.receiveBatch(limit = 5) { 1.milliseconds } shouldBe listOf(1)
                channel.receiveBatch(limit = 5) { 1.milliseconds }.shouldBeNull()
            }
        }
        test("takes nothing with it when it is cancelled while it waits for the first") {
            runTest {
                val channel = Channel<Int>(10)
                val waiting = launch { channel.receiveBatch(limit = 5) { 10.milliseconds } }
                runCurrent()
                waiting.cancelAndJoin()
                channel.send(1)
                channel.receiveBatch(limit = 5) { Duration.ZERO } shouldBe listOf(1)
            }
        }
    })
