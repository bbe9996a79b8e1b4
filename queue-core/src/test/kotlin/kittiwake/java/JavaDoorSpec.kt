package kittiwake.java

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.shouldBe
import io.kotest.matchers.shouldNotBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.string.shouldStartWith
import kittiwake.NoTransactionException
import kittiwake.java.JavaApi.RENDER
import kittiwake.java.JavaApi.RESIZE
import kittiwake.java.JavaApi.RenderArgs
import kittiwake.java.JavaApi.RenderResult
import kittiwake.java.JavaApi.ResizeArgs
import kittiwake.java.JobNotice.Kind
import kittiwake.java.StoredJob.State
import kittiwake.job.Failure
import kittiwake.job.JobId
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.serialization.Serializable
import java.time.Duration
import java.time.Instant
import java.util.concurrent.CancellationException
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.TimeUnit

class JavaDoorSpec :
    FunSpec({
        context("a policy") {
            test("can be made in every way, and one that contradicts itself is refused at once") {
                JavaApi.policies().size shouldBe 7
                shouldThrow<IllegalArgumentException> { Retry.fixed(Duration.ofSeconds(-1)) }.message shouldStartWith
                    "fixed: a delay must be zero or longer"
            }

            test("of one's own decides by cause and attempt") {
                val own = JavaApi.policies().last().policy
                own.decide(Failure(JavaApi.RateLimited(), 1)).toString() shouldBe "After(1m)"
                own.decide(Failure(Exception(), 1)).toString() shouldBe "GiveUp(not worth it)"
            }
        }

        context("a definition") {
            test("becomes the job type that Kotlin knows") {
                RESIZE.toString() shouldBe
                    "job \"java.resize\" (queue images, priority 5, 8 attempts, timeout 2m, unique, " +
                    "retention completed 1d, failed 2d)"
                JavaApi.OWN_MAPPER.args.toString() shouldBe "JSON of kittiwake.java.JavaApi\$RenderArgs, by Jackson"
                JavaApi.OWN_MAPPER_WITHOUT_RESULT.result.toString() shouldBe "no result"
            }

            test("says everything that is wrong with it at once") {
                val definition =
                    define("kw.mine", Runnable::class.java)
                        .priority(2000)
                        .maxAttempts(0)
                        .timeout(Duration.ZERO)
                val message = shouldThrow<IllegalArgumentException> { definition.build() }.message!!
                message.lines().map { it.take(48) } shouldContainExactly
                    listOf(
                        "Job \"kw.mine\" is not configured correctly:",
                        "  - Job names that start with \"kw.\" are reserved, ",
                        "  - args: Jackson cannot read a java.lang.Runnable",
                        "  - priority must be between -1000 and 1000, but w",
                        "  - maxAttempts must be between 1 and 32000, but w",
                        "  - timeout must be longer than zero and shorter t",
                    ).map { it.take(48) }
            }
        }

        context("connect") {
            test("opens nothing, and knows its schema and its SQL") {
                JobQueue.connect(TestDatabase.dataSource).use { it.schema() shouldBe "kittiwake" }
                JobQueue.connect(TestDatabase.dataSource, "mine").use {
                    it.toString() shouldBe "JobQueue(schema mine)"
                    it.migrationSql() shouldContain "create table \"mine\".job"
                }
                shouldThrow<IllegalArgumentException> { JobQueue.connect(TestDatabase.dataSource, "a b") }
            }
        }

        context("enqueue") {
            test("is part of the transaction of the connection") {
                aQueue().use { queue ->
                    TestDatabase.connect { connection ->
                        connection.autoCommit = false
                        val kept = queue.enqueue(connection, RESIZE, ResizeArgs(1))
                        connection.commit()
                        val undone = queue.enqueue(connection, RESIZE, ResizeArgs(2))
                        connection.rollback()

                        queue.find(kept.id()).get().state() shouldBe State.READY
                        queue.find(undone.id()).isPresent shouldBe false
                    }
                }
            }

            test("refuses a connection in auto-commit mode") {
                aQueue().use { queue ->
                    TestDatabase.connect { connection ->
                        shouldThrow<NoTransactionException> { queue.enqueue(connection, RESIZE, ResizeArgs(1)) }
                    }
                }
            }

            test("keeps what was said about the job") {
                aQueue().use { queue ->
                    TestDatabase.connect { connection ->
                        connection.autoCommit = false
                        val before = Instant.now()
                        val handle = JavaApi.enqueueAndSayEverything(queue, connection)
                        connection.commit()
                        val job = queue.find(handle.id()).get()
                        job.id() shouldBe handle.id()
                        job.name() shouldBe "java.resize"
                        job.queue() shouldBe "slow images"
                        job.priority() shouldBe -3
                        job.args() shouldBe """{"imageId":7,"widths":[320,1280],"note":null}"""
                        job.state() shouldBe State.SCHEDULED
                        (job.runAt().get() > before.plusSeconds(3500)) shouldBe true
                        job.endedAt().isPresent shouldBe false
                        job.attempts() shouldBe 0
                        job.maxAttempts() shouldBe 8
                        (job.enqueuedAt() > before.minusSeconds(600)) shouldBe true
                        job.metadata() shouldBe mapOf("tenant" to "ana")
                        job.parent().asLong shouldBe 4711
                        job.failures() shouldBe emptyList()
                        val again = JavaApi.enqueueAndSayEverything(queue, connection)
                        again shouldBe handle
                        again.isNew() shouldBe false
                        again.type() shouldBe RESIZE
                    }
                }
            }

            test("in bulk looks at the args of each, and finds the job that has the key") {
                aQueue().use { queue ->
                    TestDatabase.connect { connection ->
                        connection.autoCommit = false
                        val handles = JavaApi.enqueueMany(queue, connection)
                        connection.commit()
                        handles.map { it.isNew() } shouldBe listOf(false, true, false)
                        handles[0] shouldBe handles[2]
                        queue.find(handles[1].id()).get().metadata() shouldBe mapOf("image" to "2")
                    }
                }
            }

            test("says what cannot be stored and where") {
                aQueue().use { queue ->
                    shouldThrow<IllegalArgumentException> { queue.submit(RESIZE, ResizeArgs(1, listOf(), "a\u0000b")) }
                        .message shouldBe
                        "The args of job \"java.resize\" cannot be stored: " +
                        "$.note contains U+0000, which PostgreSQL cannot store"
                }
            }
        }

        context("submit") {
            test("has committed when it returns") {
                aQueue().use { queue ->
                    JavaApi.submitEveryWay(queue).map { queue.find(it.id()).get().state() } shouldBe
                        listOf(State.READY, State.SCHEDULED, State.READY, State.READY)
                }
            }

            test("is not broken off by an interrupt, and leaves it set") {
                aQueue().use { queue ->
                    Thread.currentThread().interrupt()
                    val handle = queue.submit(RESIZE, ResizeArgs(1))
                    Thread.interrupted() shouldBe true
                    queue.find(handle.id()).isPresent shouldBe true
                }
            }
        }

        context("a worker") {
            test("completes jobs with the handler's result") {
                aQueue().use { queue ->
                    JavaApi.workerOf(queue, JavaApi::render).use {
                        val done = queue.ended(queue.submit(RENDER, RenderArgs(7, "go")))
                        done.state() shouldBe State.COMPLETED
                        done.result(RENDER) shouldBe RenderResult(listOf("go-java.render"), 7)
                        done.endedAt().isPresent shouldBe true
                        val plain = queue.ended(queue.submit(RESIZE, ResizeArgs(1)))
                        plain.result(RESIZE) shouldBe null
                        shouldThrow<IllegalArgumentException> { plain.result(RENDER) }.message shouldContain
                            "is a \"java.resize\""
                    }
                }
            }

            test("tries again after a checked exception") {
                aQueue().use { queue ->
                    JavaApi.workerOf(queue, JavaApi::render).use {
                        val done = queue.ended(queue.submit(RENDER, RenderArgs(7, "fail once")))
                        done.state() shouldBe State.COMPLETED
                        done.attempts() shouldBe 2
                        val failure = done.failures().single()
                        failure.attempt() shouldBe 1
                        failure.error() shouldStartWith "java.io.IOException: the disk is full"
                        failure.at() shouldNotBe null
                    }
                }
            }

            test("discards what its policy, its attempts or its handler give up") {
                aQueue().use { queue ->
                    JavaApi.workerOf(queue, JavaApi::render).use {
                        val used = queue.ended(queue.submit(RENDER, RenderArgs(7, "fail")))
                        used.attempts() shouldBe 3
                        used.failures().last().error() shouldContain "for the last time"
                        val broken = queue.ended(queue.submit(RENDER, RenderArgs(7, "break")))
                        broken.attempts() shouldBe 1
                        val unwanted = queue.ended(queue.submit(RENDER, RenderArgs(7, "discard")))
                        unwanted.failures().last().error() shouldContain "nobody wants image 7"
                        val forgotten = queue.ended(queue.submit(RENDER, RenderArgs(7, "forget")))
                        forgotten.failures().last().error() shouldContain "Return Outcomes.done(…)"
                        for (job in listOf(used, broken, unwanted, forgotten)) {
                            job.state() shouldBe State.DISCARDED
                            shouldThrow<IllegalStateException> { job.result(RENDER) }.message shouldContain "no result"
                        }
                    }
                }
            }

            test("works jobs in a transaction that ends them") {
                aQueue().use { queue ->
                    TestDatabase.execute("create table ${queue.schema()}.effect (what text)")
                    JavaApi.workerInTransactions(queue, TestDatabase.dataSource).use {
                        val done = queue.ended(queue.submit(RENDER, RenderArgs(7, "fail once")))
                        done.attempts() shouldBe 2
                        done.result(RENDER) shouldBe RenderResult(listOf("fail once"), 7)
                        val child = TestDatabase.query(
                            "select id from ${queue.schema()}.job union select id from ${queue.schema()}.archive " +
                                "order by id desc limit 1",
                        )
                        queue.await(child.single().toLong(), Duration.ofSeconds(30)).get().parent().asLong shouldBe
                            done.id()
                        TestDatabase.query("select what from ${queue.schema()}.effect order by what") shouldBe
                            listOf("fail once 2", "resized 7")
                    }
                }
            }

            test("puts a job off at no cost of an attempt") {
                aQueue().use { queue ->
                    val attempts = CopyOnWriteArrayList<Int>()
                    val notices = CopyOnWriteArrayList<JobNotice>()
                    val handler =
                        BlockingHandler<RenderArgs, RenderResult> { _, job ->
                            attempts += job.attempt()
                            if (attempts.size == 1) snooze(Duration.ofMillis(5)) else discard("enough")
                        }
                    val handle = queue.submit(RENDER, RenderArgs(7, ""))
                    JavaApi.workerOf(queue, handler) { notices += it }.use { queue.ended(handle) }
                    attempts shouldBe listOf(1, 1)
                    notices.map { it.kind() } shouldBe
                        listOf(Kind.STARTED, Kind.SNOOZED, Kind.STARTED, Kind.DISCARDED)
                    notices[1].delay().get() shouldBe Duration.ofMillis(5)
                    notices[3].error().get() shouldContain "enough"
                    notices.map { it.id() }.distinct() shouldBe listOf(handle.id())
                    notices.map { "${it.name()} ${it.queue()} ${it.attempt()} ${it.took()}" }.distinct() shouldBe
                        listOf("java.render images 1 Optional.empty")
                }
            }

            test("tells the handler about its job, and a job enqueued there about its parent") {
                aQueue().use { queue ->
                    val gate = JavaApi.Gate()
                    val handler =
                        BlockingHandler<RenderArgs, RenderResult> { args, job ->
                            queue.submit(RESIZE, ResizeArgs(99))
                            gate.handle(args, job)
                        }
                    gate.open.countDown()
                    val handle = queue.submit(RENDER, RenderArgs(7, "")) { it.metadata("tenant", "ben") }
                    JavaApi.workerOf(queue, handler).use { queue.ended(handle) }
                    val attempt = gate.entered.get()
                    attempt.id() shouldBe handle.id()
                    attempt.name() shouldBe "java.render"
                    attempt.queue() shouldBe "images"
                    attempt.maxAttempts() shouldBe 3
                    attempt.isLastAttempt() shouldBe false
                    attempt.enqueuedAt() shouldBe queue.find(handle.id()).get().enqueuedAt()
                    attempt.metadata() shouldBe mapOf("tenant" to "ben")
                    attempt.parent().isPresent shouldBe false
                    val child = queue.submit(RESIZE, ResizeArgs(98)).id() - 1
                    queue.find(child).get().parent().asLong shouldBe handle.id()
                }
            }

            test("drains when it is closed: what runs may end, and is kept") {
                aQueue().use { queue ->
                    val gate = JavaApi.Gate()
                    val worker = JavaApi.workerOf(queue, gate)
                    val handle = queue.submit(RENDER, RenderArgs(7, ""))
                    gate.entered.get(30, TimeUnit.SECONDS)
                    val stopped = worker.stopAsync()
                    stopped.isDone shouldBe false
                    gate.open.countDown()
                    worker.close()
                    stopped.isDone shouldBe true
                    queue.find(handle.id()).get().state() shouldBe State.COMPLETED
                }
            }

            test("interrupts the handler of a job that is cancelled") {
                aQueue().use { queue ->
                    val gate = JavaApi.Gate()
                    JavaApi.workerOf(queue, gate).use {
                        val handle = queue.submit(RENDER, RenderArgs(7, ""))
                        gate.entered.get(30, TimeUnit.SECONDS)
                        queue.cancel(handle.id()) shouldBe CancelResult.CANCELLED
                        gate.interrupted.get(30, TimeUnit.SECONDS) shouldBe handle.id()
                        queue.cancel(handle.id()) shouldBe CancelResult.ALREADY_ENDED
                        queue.cancel(987_654_321) shouldBe CancelResult.NOT_FOUND
                    }
                }
            }

            test("says everything that is wrong with it at once") {
                aQueue().use { queue ->
                    val definition = queue.worker("").queue("mails", 0).handle(RENDER, JavaApi::render)
                    shouldThrow<IllegalArgumentException> { definition.start() }.message!!.lines().size shouldBe 4
                }
            }
        }

        context("await") {
            test("gives the future of the job's end") {
                aQueue().use { queue ->
                    val handle = queue.submit(RENDER, RenderArgs(7, "go"))
                    val ended = queue.awaitAsync(handle.id(), Duration.ofSeconds(30))
                    val result = ended.thenApply { it.get().result(handle.type()) }
                    JavaApi.workerOf(queue, JavaApi::render).use { result.get().bytes shouldBe 7 }
                }
            }

            test("is empty when the time is over, ends with an interrupt, and when the queue is closed") {
                val queue = aQueue()
                val id = queue.submit(RENDER, RenderArgs(7, "go")).id()
                queue.await(id, Duration.ZERO).isPresent shouldBe false
                Thread.currentThread().interrupt()
                shouldThrow<InterruptedException> { queue.await(id, Duration.ofDays(1)) }
                val future = queue.awaitAsync(id, Duration.ofDays(1))
                queue.close()
                shouldThrow<CancellationException> { future.get() }
                shouldThrow<IllegalStateException> { queue.find(id) }.message shouldBe "Kittiwake is closed"
            }
        }

        context("Kotlin") {
            test("works what Java enqueued, and Java works what Kotlin enqueued") {
                val kittiwake = TestDatabase.kittiwake()
                JobQueue.of(kittiwake).use { queue ->
                    val render = job<KotlinArgs, KotlinResult>("java.render") { this.queue = "images" }
                    val fromKotlin = kittiwake.submit(render, KotlinArgs(1, "Ærø"))
                    JavaApi.workerOf(queue, JavaApi::render).use {
                        val done = queue.await(fromKotlin.id.value, Duration.ofSeconds(30)).get()
                        done.result(render) shouldBe KotlinResult(listOf("Ærø-java.render"), 1)
                    }
                    val fromJava = queue.submit(RENDER, RenderArgs(2, "Åland"))
                    val worker =
                        kittiwake.worker {
                            queue("images")
                            handle(render) { args -> KotlinResult(listOf(args.script), args.imageId) }
                        }
                    val run = launch { worker.run() }
                    kittiwake.awaitEnd(JobId(fromJava.id()))
                    queue.find(fromJava.id()).get().result(RENDER) shouldBe RenderResult(listOf("Åland"), 2)
                    run.cancelAndJoin()
                }
            }
        }
    })

@Serializable
private data class KotlinArgs(val imageId: Long, val script: String)

@Serializable
private data class KotlinResult(val keys: List<String>, val bytes: Long)

private fun aQueue(): JobQueue =
    JobQueue.connect(TestDatabase.dataSource, TestDatabase.freshSchema()).also { it.migrate() shouldBe listOf(1) }

private fun JobQueue.ended(handle: JobHandle<*>): StoredJob = await(handle.id(), Duration.ofSeconds(30)).get()
