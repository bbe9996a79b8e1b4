package kittiwake.job

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kotlinx.serialization.Contextual
import kotlinx.serialization.Polymorphic
import kotlinx.serialization.Serializable
import java.util.Date
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

@Serializable
private class ResizeArgs(val imageId: Long)

private class NoSerializer(val x: Int)

private interface Shape

@Serializable
private class OpenPart(val shapes: List<@Polymorphic Shape>)

@Serializable
private class ContextualPart(val times: Map<String, List<@Contextual Date>>)

@Serializable
private sealed interface Payment {
    @Serializable
    class Card(val number: String) : Payment

    @Serializable
    class Cash(val inside: List<Payment> = emptyList()) : Payment
}

@Serializable
private sealed interface Leaky {
    @Serializable
    class Leak(val shape: @Polymorphic Shape) : Leaky
}

@Serializable
private class Tree(val left: Tree?, val right: Tree?, val leaves: List<Tree> = emptyList())

@Serializable
private class Box<T>(val content: T)

@Serializable
private class TwoBoxes(val first: Box<String>, val second: Box<@Polymorphic Shape>)

private const val MARK_IT = "Mark it @Serializable and apply the serialization plugin"

private fun problemsOf(declare: () -> Unit): String = shouldThrow<IllegalArgumentException> { declare() }.message!!

class JobTypeBuilderSpec :
    FunSpec({
        context("defaults") {
            test("are what their documentation says") {
                val resize = job<ResizeArgs>("images.resize")
                resize.name shouldBe JobName("images.resize")
                resize.queue shouldBe QueueName("images.resize")
                resize.priority shouldBe 0
                resize.maxAttempts shouldBe 20
                resize.timeout shouldBe Duration.INFINITE
                resize.retry shouldBe RetryPolicy.Default
                resize.retention.shouldBeNull()
                resize.uniqueKey.shouldBeNull()
                resize.handler.shouldBeNull()
            }
            test("keep only the half of a retention that was not said") {
                job<ResizeArgs>("a") { retain(completed = 1.days) }.retention shouldBe Retention(1.days, 30.days)
            }
            test("take the number of attempts from the policy when it has one") {
                job<ResizeArgs>("a") { retry = fixed(1.seconds).limit(8) }.maxAttempts shouldBe 8
                job<ResizeArgs>("a") { retry = never }.maxAttempts shouldBe 1
            }
        }

        context("what was said") {
            test("is in the type, and in what it prints") {
                val resize =
                    job<ResizeArgs>("resize") {
                        queue = "images"
                        priority = -3
                        maxAttempts = 5
                        timeout = 2.minutes
                        unique { it.imageId }
                        retain(completed = Duration.ZERO, failed = Duration.INFINITE)
                        handle { }
                    }
                resize.queue shouldBe QueueName("images")
                resize.uniqueKey.shouldNotBeNull()(ResizeArgs(7)) shouldBe "7"
                resize.handler.shouldNotBeNull()
                resize.toString() shouldBe
                    "job \"resize\" (queue images, priority -3, 5 attempts, timeout 2m, unique, " +
                    "retention completed 0s, failed Infinity)"
            }
            test("may be the policy's limit a second time") {
                val same =
                    job<ResizeArgs>("a") {
                        maxAttempts = 8
                        retry = fixed(1.seconds).limit(8)
                    }
                same.maxAttempts shouldBe 8
            }
        }

        context("mistakes") {
            test("are all reported together") {
                problemsOf {
                    job<NoSerializer>("kw.mail") {
                        queue = " "
                        priority = 1_001
                        maxAttempts = 0
                        timeout = Duration.ZERO
                        retain(failed = (-1).days)
                        handle { }
                        handleBlocking { }
                    }
                } shouldBe
                    """
                    Job "kw.mail" is not configured correctly:
                      - Job names that start with "kw." are reserved, but one was "kw.mail"
                      - Queue names have 1 to 128 characters, not all of them spaces, but one had 1: " "
                      - A retention must be zero or longer, but was -1d
                      - args: Serializer for class 'NoSerializer' is not found. $MARK_IT
                      - priority must be between -1000 and 1000, but was 1001
                      - maxAttempts must be between 1 and 32000, but was 0
                      - timeout must be longer than zero and shorter than a century, but was 0s
                      - it has 2 handlers, but a job has one
                    """.trimIndent()
            }
            test("in a name that is also the queue are said once") {
                problemsOf { job<ResizeArgs>("") } shouldBe
                    "Job \"\" is not configured correctly:\n" +
                    "  - Job names have 1 to 100 characters, not all of them spaces, but one had 0: \"\""
            }
            test("in the length of a name leave a queue of its own in peace") {
                val name = "x".repeat(101)
                problemsOf { job<ResizeArgs>(name) { queue = "images" } } shouldContain "1 to 100 characters"
                problemsOf { job<ResizeArgs>("images") { queue = "x".repeat(129) } } shouldContain "1 to 128 characters"
            }
            test("are two different numbers of attempts") {
                problemsOf {
                    job<ResizeArgs>("a") {
                        maxAttempts = 5
                        retry = fixed(1.seconds).limit(8)
                    }
                } shouldContain "maxAttempts (5) and the policy's limit (8) say different things: say it once"
            }
            test("are more attempts than a row can count, even by a chain of policies") {
                val patient = fixed(1.seconds).limit(20_000)
                problemsOf { job<ResizeArgs>("a") { retry = patient then patient } } shouldContain
                    "maxAttempts must be between 1 and 32000, but was 40000"
            }
            test("are timeouts that are negative or longer than a century") {
                for (bad in listOf((-1).seconds, 40_000.days)) {
                    problemsOf { job<ResizeArgs>("a") { timeout = bad } } shouldContain "but was $bad"
                }
                job<ResizeArgs>("a") { timeout = Duration.INFINITE }.timeout shouldBe Duration.INFINITE
            }
        }

        context("serializers") {
            test("that are missing are reported for args and for the result") {
                problemsOf { job<NoSerializer>("a") } shouldContain
                    "  - args: Serializer for class 'NoSerializer' is not found."
                problemsOf { job<ResizeArgs, NoSerializer>("a") } shouldContain
                    "  - result: Serializer for class 'NoSerializer' is not found."
            }
            test("with an open polymorphic part anywhere are refused") {
                val declarations =
                    listOf(
                        { job<Shape>("a") },
                        { job<OpenPart>("a") },
                        { job<Leaky>("a") },
                        { job<List<Leaky>>("a") },
                        { job<TwoBoxes>("a") },
                    )
                for (declare in declarations) {
                    problemsOf { declare() } shouldContain
                        "Polymorphic<Shape> is open or contextual, so old rows could become unreadable: " +
                        "use a sealed hierarchy or a concrete serializer"
                }
            }
            test("with a contextual part are refused") {
                problemsOf { job<ContextualPart>("a") } shouldContain "is open or contextual"
            }
            test("of sealed, recursive and generic classes are fine") {
                job<Payment>("a").args.toString() shouldContain "Payment"
                job<Tree>("a").args.toString() shouldContain "Tree"
                job<Map<String, List<Box<Tree?>>>>("a").args.toString() shouldContain "LinkedHashMap"
            }
        }
    })
