package kittiwake.worker.internal

import com.sun.management.ThreadMXBean
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.longs.shouldBeLessThan
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.string.shouldNotContain
import io.kotest.matchers.string.shouldStartWith
import kittiwake.internal.unstorable
import java.lang.management.ManagementFactory

/** What [block] takes from the heap of its thread, whether or not it is still held. */
private fun bytesAllocatedBy(block: () -> Unit): Long {
    val threads = ManagementFactory.getThreadMXBean() as ThreadMXBean
    val before = threads.currentThreadAllocatedBytes
    block()
    return threads.currentThreadAllocatedBytes - before
}

private fun withoutTrace(message: String) = RuntimeException(message).apply { stackTrace = emptyArray() }

private fun Throwable.shortened() = apply {
    stackTrace = arrayOf(StackTraceElement("kittiwake.Somewhere", "deep", "Somewhere.kt", 7))
}

class ErrorTextSpec :
    FunSpec({
        test("is the exception with its trace and its causes") {
            val text = errorText(IllegalStateException("it broke", withoutTrace("because")).shortened())
            text.lines().take(2) shouldBe
                listOf("java.lang.IllegalStateException: it broke", "\tat kittiwake.Somewhere.deep(Somewhere.kt:7)")
            text shouldContain "Caused by: java.lang.RuntimeException: because"
        }
        test("replaces what PostgreSQL cannot store") {
            val text = errorText(IllegalStateException("NUL \u0000, lone \uD83D and \uDE00, pair \uD83D\uDE00"))
            text shouldStartWith "java.lang.IllegalStateException: NUL \uFFFD, lone \uFFFD and \uFFFD, pair 😀\n"
            unstorable(text).shouldBeNull()
        }
        test("keeps the beginning of a message of 50 MB, and copies it no more than the exception itself does") {
            val size = 50_000_000
            val cause = withoutTrace("x".repeat(size))
            var text = ""
            // Throwable.toString() makes two copies, a byte a character; a third would be of chars, two bytes each.
            bytesAllocatedBy { text = errorText(cause) } shouldBeLessThan size * 5L / 2
            val whole = "java.lang.RuntimeException: ".length + size + System.lineSeparator().length
            text shouldStartWith "java.lang.RuntimeException: xxxxxx"
            text.drop(MAX_ERROR_CHARACTERS) shouldBe "… (${whole - MAX_ERROR_CHARACTERS} more characters)"
        }
        test("names an exception whose message cannot be read, and why") {
            class Unreadable : RuntimeException() {
                override val message: String get() = error("no message today")
            }
            val text = errorText(Unreadable())
            text shouldContain "Unreadable, whose message cannot be read: java.lang.IllegalStateException"
            text shouldNotContain "no message today"
        }
        test("survives a message that ends in an Error, and a class without a name") {
            val nameless =
                object : RuntimeException() {
                    override val message: String get() = throw NotImplementedError()
                }
            errorText(nameless) shouldBe
                "${nameless.javaClass.name}, whose message cannot be read: kotlin.NotImplementedError"
        }
        test("ends although the causes of an exception run in a circle") {
            val first = withoutTrace("first")
            val second = withoutTrace("second").apply { initCause(first) }
            first.initCause(second)
            errorText(first) shouldContain "CIRCULAR REFERENCE"
        }
    })
