package chaos.process

import chaos.TestServer
import chaos.proxy.Proxy
import io.kotest.assertions.nondeterministic.continually
import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.engine.spec.tempfile
import io.kotest.matchers.collections.shouldContain
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.ints.shouldBeGreaterThan
import io.kotest.matchers.shouldBe
import java.nio.file.Path
import kotlin.io.path.readLines
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class ChildSpec :
    FunSpec({
        fun output(): Path = tempfile("child", ".log").toPath()

        fun counting(output: Path, generation: Int = 1) = Child(Counter::class.java.name, listOf("$generation"), output)

        suspend fun awaitStart(output: Path, generation: Int = 1) {
            eventually(20.seconds) { output.readLines().any { it.startsWith("$generation:") } shouldBe true }
        }

        test("stands still, goes on and dies as it is told") {
            val output = output()
            counting(output).use { child ->
                awaitStart(output)
                child.pause() shouldBe true
                val seen = output.readLines().size
                continually(200.milliseconds) { (output.readLines().size <= seen + 1) shouldBe true }
                child.wake() shouldBe true
                eventually(10.seconds) { output.readLines().size shouldBeGreaterThan seen + 1 }
                child.kill()
                child.isAlive shouldBe false
                child.exitCode shouldBe 137
                child.pause() shouldBe false
            }
        }

        test("may take its time to end when it is told to end") {
            val output = output()
            counting(output).use { child ->
                awaitStart(output)
                child.terminate()
                child.awaitExit(20.seconds) shouldBe 143
                output.readLines() shouldContain "over"
            }
        }

        test("a seat is taken again when its process has died, whoever killed it, until it is given up") {
            val output = output()
            val proxy = autoClose(Proxy("127.0.0.1", TestServer.server.port))
            val arrivals = mutableListOf<Int>()
            val seat =
                autoClose(
                    Seat("worker-1", proxy) { arrival ->
                        arrivals += arrival.generation
                        counting(output, arrival.generation)
                    },
                )
            seat.occupy()
            awaitStart(output, 1)
            signal(seat.pid!!, Signal.KILL)
            seat.awaitSuccessor(1) shouldBe true
            awaitStart(output, 2)
            seat.kill() shouldBe true
            seat.awaitSuccessor(2) shouldBe true
            awaitStart(output, 3)
            seat.retire() shouldBe 143
            seat.isOccupied shouldBe false
            seat.awaitSuccessor(3, 300.milliseconds) shouldBe false
            arrivals shouldContainExactly listOf(1, 2, 3)
        }
    })

/** Says that it lives until it is told to end. */
object Counter {
    @JvmStatic
    fun main(args: Array<String>) {
        Runtime.getRuntime().addShutdownHook(Thread { println("over") })
        generateSequence(0) { it + 1 }.forEach { n ->
            println("${args.single()}:$n")
            Thread.sleep(PAUSE)
        }
    }

    private const val PAUSE = 10L
}
