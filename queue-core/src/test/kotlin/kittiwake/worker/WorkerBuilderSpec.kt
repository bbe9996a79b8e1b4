package kittiwake.worker

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.string.shouldNotContain
import kittiwake.KittiwakeSpi
import kittiwake.job.JobHandler
import kittiwake.job.JobScope
import kittiwake.job.Outcome
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.job
import kittiwake.testing.InMemoryJobStore
import kotlinx.serialization.Serializable
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

@Serializable
private class MailArgs(val to: String)

@OptIn(KittiwakeSpi::class)
class WorkerBuilderSpec :
    FunSpec({
        val send = job<MailArgs>("mail.send") { queue = "mails" }
        val resize =
            job<MailArgs>("resize") {
                queue = "images"
                handle { }
            }

        fun build(configure: WorkerBuilder.() -> Unit): Worker = worker(InMemoryJobStore(), configure = configure)

        fun problemsOf(configure: WorkerBuilder.() -> Unit): String =
            shouldThrow<IllegalArgumentException> { build(configure) }.message!!

        context("defaults") {
            test("are in the config, which prints itself whole") {
                val config =
                    build {
                        queue("images")
                        jobs(resize)
                    }.config
                config.toString() shouldBe
                    "worker \"worker\" (queues [images × 8 + ahead as needed], lease 30s, heartbeat every 5s, " +
                    "poll every 1s, rescue every 10s, shutdown grace 20s, cancel grace 5s)"
            }
            test("give way to what was said") {
                val config =
                    build {
                        name = "api-1"
                        queue("images", "thumbnails") {
                            concurrency = 2
                            prefetch = 5
                        }
                        queue("mails")
                        queue("reports") { prefetch = 0 }
                        lease = 1.minutes
                        heartbeatEvery = 20.seconds
                        pollEvery = 1.milliseconds
                        shutdownGrace = Duration.ZERO
                        handle(send) { }
                        jobs(resize)
                    }.config
                config.name shouldBe "api-1"
                config.queues.map { it.toString() } shouldBe
                    listOf(
                        "images × 2 + 5 ahead", "thumbnails × 2 + 5 ahead", "mails × 8 + ahead as needed",
                        "reports × 8",
                    )
                config.heartbeatEvery shouldBe 20.seconds
                config.shutdownGrace shouldBe Duration.ZERO
            }
            test("claim nothing ahead in a queue whose jobs may be tried only once: a crash would end what never ran") {
                val once = job<MailArgs>("once") {
                    queue = "mails"
                    maxAttempts = 1
                    handle { }
                }
                val queues = build {
                    queue("images", "mails")
                    handle(send) { }
                    jobs(resize, once)
                }.config.queues
                queues.map { it.toString() } shouldBe listOf("images × 8 + ahead as needed", "mails × 8")
                build {
                    queue("mails") { prefetch = 5 }
                    jobs(once)
                }.config.queues.single().prefetch shouldBe 5
            }
            test("work a queue for which no handler is bound: its jobs are others' or come later") {
                build { queue("images") }.config.queues.map { it.name } shouldBe listOf(QueueName("images"))
            }
        }

        context("mistakes") {
            test("are all reported together, in the user's words") {
                problemsOf {
                    name = "api-1"
                    queue("images") { concurrency = 0 }
                    queue("mail")
                    handle(send) { }
                    heartbeatEvery = 30.seconds
                    lease = 1.minutes
                } shouldBe
                    """
                    Worker "api-1" is not configured correctly:
                      - queue "images": concurrency must be between 1 and 100000, but was 0
                      - job "mail.send" waits in queue "mails", which this worker does not work. Did you mean "mail"?
                      - heartbeatEvery (30s) must be at most a third of lease (1m)
                    """.trimIndent()
            }
            test("are a worker without a queue") {
                val problems = problemsOf { jobs(resize) }
                problems shouldContain "  - it works no queue. Say queue(\"…\")"
                problems shouldNotContain "waits in queue"
            }
            test("are one queue twice, together or apart") {
                problemsOf {
                    queue("images", "mails")
                    queue("images") { concurrency = 2 }
                } shouldContain "  - queue \"images\" is configured 2 times"
            }
            test("are names of queues that cannot be") {
                problemsOf { queue("a\u0000") } shouldContain
                    "  - queue \"a\u0000\": Queue names have no control characters, but one has U+0000 at 1"
            }
            test("are two handlers for one name, of one type or of two") {
                problemsOf {
                    queue("images")
                    jobs(resize)
                    handle(resize) { }
                } shouldContain "  - job \"resize\" has 2 handlers: job \"resize\" (queue images, "
                val twin = job<MailArgs>("resize") { handle { } }
                problemsOf {
                    queue("images", "resize")
                    jobs(resize, twin)
                } shouldContain "  - job \"resize\" has 2 handlers: "
            }
            test("are jobs whose declaration has no handler") {
                problemsOf {
                    queue("mails")
                    jobs(send)
                } shouldContain
                    "  - job \"mail.send\" has no handler in its declaration. " +
                    "Bind one with handle(…) instead of jobs(…)"
            }
            test("are jobs that wait elsewhere; only a near name is suggested") {
                problemsOf {
                    queue("reports")
                    jobs(resize)
                }.lines().last() shouldBe
                    "  - job \"resize\" waits in queue \"images\", which this worker does not work."
            }
            test("are leases below a second and heartbeats that leave no room for a miss") {
                problemsOf {
                    queue("images")
                    lease = 999.milliseconds
                    heartbeatEvery = 100.milliseconds
                }.lines().drop(1) shouldBe listOf("  - lease must be at least 1s, but was 999ms")
                for (bad in listOf(10.seconds + 1.milliseconds, Duration.ZERO, (-1).seconds, Duration.INFINITE)) {
                    problemsOf {
                        queue("images")
                        heartbeatEvery = bad
                    } shouldContain "heartbeatEvery ($bad) must be at most a third of lease (30s)"
                }
            }
            test("are times that are negative, endless, or zero where that means nothing") {
                for (bad in listOf(Duration.ZERO, (-1).seconds, Duration.INFINITE, 40_000.days)) {
                    problemsOf {
                        queue("images")
                        pollEvery = bad
                        rescueEvery = bad
                    }.lines().drop(1) shouldBe
                        listOf("pollEvery", "rescueEvery")
                            .map { "  - $it must be longer than zero and finite, but was $bad" }
                }
                for (bad in listOf((-1).seconds, Duration.INFINITE)) {
                    problemsOf {
                        queue("images")
                        shutdownGrace = bad
                        cancelGrace = bad
                    }.lines().drop(1) shouldBe
                        listOf("shutdownGrace", "cancelGrace")
                            .map { "  - $it must be zero or longer and finite, but was $bad" }
                }
            }
            test("are numbers out of range") {
                problemsOf {
                    queue("images") {
                        concurrency = 100_001
                        prefetch = -1
                    }
                }.lines().drop(1) shouldBe
                    listOf(
                        "  - queue \"images\": concurrency must be between 1 and 100000, but was 100001",
                        "  - queue \"images\": prefetch must be between 0 and 10000, " +
                            "or null for as many as needed, but was -1",
                    )
            }
            test("are more handlers at once than the pool has connections for, and one more") {
                val holding =
                    object : JobHandler<MailArgs, Unit> {
                        override val connections = 1

                        override suspend fun JobScope.work(args: MailArgs): Outcome<Unit> = Outcome.done(Unit)
                    }

                fun build(places: Int) = WorkerBuilder(InMemoryJobStore(), Retention.Default, connections = 10)
                    .apply {
                        queue("mails") { concurrency = places }
                        queue("images") { concurrency = 1_000 }
                        bind(send) { handler(holding) }
                        jobs(resize)
                    }.build()
                build(places = 9)
                shouldThrow<IllegalArgumentException> { build(places = 10) }.message shouldBe
                    "Worker \"worker\" is not configured correctly:\n" +
                    "  - 10 transactional handlers need 11 connections, but the pool has 10. " +
                    "Enlarge the pool, or lower the concurrency of \"mails\""
            }
            test("are names that nobody could read in a list") {
                for (bad in listOf("", "  ", "x".repeat(101))) {
                    problemsOf {
                        name = bad
                        queue("images")
                    } shouldContain
                        "Worker names have 1 to 100 characters, not all of them spaces, but one had ${bad.length}: \"$bad\""
                }
            }
        }
    })
