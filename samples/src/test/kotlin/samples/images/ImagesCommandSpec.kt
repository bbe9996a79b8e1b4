package samples.images

import io.kotest.core.spec.style.FunSpec
import io.kotest.engine.spec.tempdir
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldEndWith
import io.kotest.matchers.string.shouldStartWith

class ImagesCommandSpec :
    FunSpec({
        val empty = tempdir()

        test("who asks for help gets it, and that is no failure") {
            val (code, output) = images(listOf("--help"))
            output shouldStartWith "Usage: images"
            code shouldBe 0
        }

        context("a command line that makes no sense ends with 1, and is told why") {
            for ((args, complaint) in listOf(
                listOf("--size", "huge") to "\"huge\" is no size such as 2400x1600",
                listOf("--count", "13") to "13 is not in the valid range of 1 to 12.",
                listOf("${empty.resolve("nowhere")}") to "does not exist.",
                listOf("$empty") to "it has no pictures in it",
            )) {
                test(complaint) {
                    val (code, output) = images(args)
                    output.trim() shouldEndWith complaint
                    code shouldBe 1
                }
            }
        }
    })

/** Runs the sample as a process of its own, as its command line does. */
private fun images(args: List<String>): Pair<Int, String> {
    val java = ProcessHandle.current().info().command().orElse("java")
    val command = listOf(java, "-classpath", System.getProperty("java.class.path"), "samples.images.ImagesKt") + args
    val process = ProcessBuilder(command).redirectErrorStream(true).start()
    val output = process.inputStream.bufferedReader().readText()
    return process.waitFor() to output
}
