package kittiwake.enqueue

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.string.shouldNotContain
import kittiwake.KittiwakeSpi
import kittiwake.internal.CurrentJob
import kittiwake.job.JobId
import kittiwake.job.JobName
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.job
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import kotlinx.serialization.Serializable
import kotlin.time.Clock
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.nanoseconds
import kotlin.time.Instant

@Serializable
private class MailArgs(val to: String, val weight: Double = 1.0)

@Serializable
private class Chain(val next: Chain? = null)

private fun chain(length: Int): Chain = (2..length).fold(Chain()) { next, _ -> Chain(next) }

@OptIn(KittiwakeSpi::class)
class NewJobSpec :
    FunSpec({
        val mail = job<MailArgs>("mail")
        val ana = MailArgs("ana")

        fun problemsOf(args: MailArgs = ana, options: EnqueueOptions.() -> Unit): String =
            shouldThrow<IllegalArgumentException> { mail.newJob(args, options) }.message!!

        context("without options") {
            test("takes everything from the type") {
                val typed =
                    job<MailArgs>("mail") {
                        queue = "post"
                        priority = 7
                        maxAttempts = 3
                        unique { it.to }
                        retain(1.days, 2.days)
                    }
                val new = typed.newJob(ana)
                new.name shouldBe JobName("mail")
                new.queue shouldBe QueueName("post")
                new.priority shouldBe 7
                new.args shouldBe """{"to":"ana","weight":1.0}"""
                new.maxAttempts shouldBe 3
                new.uniqueKey shouldBe "ana"
                new.retention shouldBe Retention(1.days, 2.days)
                new.delay.shouldBeNull()
                new.runAt.shouldBeNull()
                new.expectedAt.shouldBeNull()
                new.parent.shouldBeNull()
                new.metadata.shouldBeNull()
            }
        }

        context("options") {
            test("say everything else, and win over the type") {
                val typed =
                    job<MailArgs>("mail") {
                        priority = 7
                        unique { it.to }
                    }
                val soon = Clock.System.now() + 1.days
                val new =
                    typed.newJob(ana) {
                        queue = "urgent"
                        priority = -1
                        runAt = soon
                        expectedAt = soon + 1.minutes
                        uniqueKey = "mine"
                        parent = JobId(4711)
                        metadata["tenant"] = "x \"y\""
                    }
                new.queue shouldBe QueueName("urgent")
                new.priority shouldBe -1
                new.runAt shouldBe soon
                new.expectedAt shouldBe soon + 1.minutes
                new.uniqueKey shouldBe "mine"
                new.parent shouldBe JobId(4711)
                new.metadata shouldBe """{"tenant":"x \"y\""}"""
                typed.newJob(ana) { delay = 10.minutes }.delay shouldBe 10.minutes
            }
            test("that are wrong are reported together") {
                problemsOf {
                    queue = ""
                    priority = 1_001
                    delay = (-5).minutes
                    uniqueKey = ""
                } shouldBe
                    """
                    Job "mail" to enqueue is not configured correctly:
                      - Queue names have 1 to 128 characters, not all of them spaces, but one had 0: ""
                      - priority must be between -1000 and 1000, but was 1001
                      - delay must be between zero and ten years, but was -5m
                      - the unique key must have 1 to 255 bytes, but has 0
                    """.trimIndent()
            }
        }

        context("args") {
            test("that JSON cannot write are refused by the name of the job and their path") {
                problemsOf(MailArgs("ana", Double.NaN)) { } shouldBe
                    "The args of job \"mail\" cannot be stored: $.weight is NaN, which JSON cannot write"
            }
            test("that PostgreSQL cannot store are refused by their path, without repeating them") {
                val problem = problemsOf(MailArgs("secret\u0000")) { }
                problem shouldBe
                    "The args of job \"mail\" cannot be stored: $.to contains U+0000, which PostgreSQL cannot store"
                problem shouldNotContain "secret"
            }
            test("that are too large are refused with the limit and advice") {
                problemsOf(MailArgs("x".repeat(300_000))) { } shouldBe
                    "The args of job \"mail\" cannot be stored: they take 300022 characters, " +
                    "more than the limit of 262144. Store the data elsewhere and pass a reference"
            }
            test("that nest too deep are refused, however deep") {
                val chained = job<Chain>("chain")
                chained.newJob(chain(64))
                shouldThrow<IllegalArgumentException> { chained.newJob(chain(65)) }.message shouldBe
                    "The args of job \"chain\" cannot be stored: they nest 65 levels deep, more than the limit of 64"
                shouldThrow<IllegalArgumentException> { chained.newJob(chain(1_000_000)) }.message shouldBe
                    "The args of job \"chain\" cannot be stored: they nest too deep"
            }
        }

        context("times") {
            test("of a delay lie between zero and ten years") {
                for (bad in listOf((-1).nanoseconds, 3_700.days, Duration.INFINITE, -Duration.INFINITE)) {
                    problemsOf { delay = bad } shouldContain "delay must be between zero and ten years, but was $bad"
                }
                mail.newJob(ana) { delay = Duration.ZERO }.delay shouldBe Duration.ZERO
            }
            test("may be past, which means now") {
                val past = Clock.System.now() - 1.days
                mail.newJob(ana) { runAt = past }.runAt shouldBe past
            }
            test("are not for ever away") {
                for (bad in listOf(Instant.DISTANT_FUTURE, Instant.DISTANT_PAST, Clock.System.now() + 3_700.days)) {
                    problemsOf { runAt = bad } shouldContain "runAt must be within the next ten years, but was $bad"
                    problemsOf { expectedAt = bad } shouldContain
                        "expectedAt must be within the next ten years, but was $bad"
                }
            }
            test("are said once: a delay or an instant") {
                val now = Clock.System.now()
                problemsOf {
                    delay = 1.minutes
                    runAt = now
                } shouldContain "delay (1m) and runAt ($now) exclude each other"
            }
        }

        context("priority") {
            test("has its ends within") {
                for (allowed in listOf(-1_000, 1_000)) mail.newJob(ana) { priority = allowed }.priority shouldBe allowed
                for (bad in listOf(-1_001, 1_001, Int.MIN_VALUE, Int.MAX_VALUE)) {
                    problemsOf { priority = bad } shouldContain
                        "priority must be between -1000 and 1000, but was $bad"
                }
            }
        }

        context("unique key") {
            test("has 1 to 255 bytes of UTF-8") {
                mail.newJob(ana) { uniqueKey = "é".repeat(127) + "x" }.uniqueKey!!.length shouldBe 128
                problemsOf { uniqueKey = "é".repeat(128) } shouldContain
                    "the unique key must have 1 to 255 bytes, but has 256"
            }
            test("has only characters that PostgreSQL can store") {
                problemsOf { uniqueKey = "a\u0000" } shouldContain
                    "the unique key contains U+0000, which PostgreSQL cannot store"
                problemsOf { uniqueKey = "a\uDC00" } shouldContain
                    "the unique key contains the lone surrogate U+DC00, which PostgreSQL cannot store"
            }
            test("of null means not unique") {
                job<MailArgs>("mail") { unique { null } }.newJob(ana).uniqueKey.shouldBeNull()
            }
            test("that cannot be made is reported with its cause") {
                val failing = job<MailArgs>("mail") { unique { args -> error("no key for ${args.to}") } }
                val problem = shouldThrow<IllegalArgumentException> { failing.newJob(ana) }
                problem.message shouldBe
                    "The unique key of job \"mail\" cannot be made from its args: " +
                    "java.lang.IllegalStateException: no key for ana"
                problem.cause?.message shouldBe "no key for ana"
            }
            test("that is said at the call is not made from the args") {
                val failing = job<MailArgs>("mail") { unique { error("not asked") } }
                failing.newJob(ana) { uniqueKey = "mine" }.uniqueKey shouldBe "mine"
            }
            test("is checked when the type makes it, too") {
                val long = job<MailArgs>("mail") { unique { it.to.repeat(100) } }
                shouldThrow<IllegalArgumentException> { long.newJob(ana) }.message shouldContain "but has 300"
            }
        }

        context("metadata") {
            test("may have 16,384 characters in all") {
                mail.newJob(ana) { metadata["k"] = "x".repeat(16_383) }
                problemsOf { metadata["k"] = "x".repeat(16_384) } shouldContain
                    "metadata may have 16384 characters in all, but has 16385"
            }
            test("has only characters that PostgreSQL can store, in keys and in values") {
                problemsOf { metadata["tenant"] = "\u0000" } shouldContain
                    "metadata \"tenant\" contains U+0000, which PostgreSQL cannot store"
                problemsOf { metadata["\uD800"] = "x" } shouldContain
                    "contains the lone surrogate U+D800, which PostgreSQL cannot store"
            }
        }

        context("parent") {
            test("is the job in whose handler it is enqueued, on whatever thread") {
                withContext(Dispatchers.Default + CurrentJob(7, "outer")) {
                    mail.newJob(ana).parent shouldBe JobId(7)
                    withContext(Dispatchers.IO) { mail.newJob(ana).parent shouldBe JobId(7) }
                    mail.newJob(ana) { parent = JobId(8) }.parent shouldBe JobId(8)
                }
                mail.newJob(ana).parent.shouldBeNull()
            }
        }
    })
