package kittiwake.java

import kittiwake.KittiwakeSpi
import kittiwake.job.JobType
import kittiwake.job.Outcome
import kittiwake.job.blockingHandler
import kittiwake.postgres.Kittiwake
import kittiwake.postgres.handleInTransaction
import kittiwake.worker.RunningWorker
import kittiwake.worker.Worker
import kittiwake.worker.WorkerBuilder
import java.time.Duration
import java.util.function.Consumer
import javax.sql.DataSource
import kotlin.time.toKotlinDuration

/**
 * What can be said about a worker, one call each, ended by [start] or [runUntilShutdown]. Made by [JobQueue.worker].
 *
 * ```java
 * try (RunningWorker worker = queue.worker("images-1")
 *         .queue("images", 8)
 *         .handle(RESIZE, (args, job) -> { images.resize(args.imageId(), args.width()); return Outcomes.done(); })
 *         .shutdownGrace(Duration.ofSeconds(30))
 *         .start()) {
 *     worker.await();
 * }
 * ```
 * What each setting trades stands at the property of [WorkerBuilder] or [QueueBuilder][kittiwake.worker.QueueBuilder] that
 * has its name. Everything wrong is reported at once, by an [IllegalArgumentException] of the call that ends it.
 */
@OptIn(KittiwakeSpi::class)
public class WorkerDefinition internal constructor(private val kittiwake: Kittiwake, private val name: String) {
    private val steps = mutableListOf<WorkerBuilder.() -> Unit>()

    /** Works the queue [name], eight of its jobs at once, with as many claimed ahead as their pace needs. */
    public fun queue(name: String): WorkerDefinition = step { queue(name) }

    /** Works the queue [name], [concurrency] of its jobs at once, with as many claimed ahead as their pace needs. */
    public fun queue(name: String, concurrency: Int): WorkerDefinition =
        step { queue(name) { this.concurrency = concurrency } }

    /**
     * Works the queue [name], [concurrency] of its jobs at once, with exactly [prefetch] more claimed ahead, however
     * long they take. A job claimed ahead is kept from other workers while it waits. Zero claims what can start, and no
     * more.
     */
    public fun queue(name: String, concurrency: Int, prefetch: Int): WorkerDefinition = step {
        queue(name) {
            this.concurrency = concurrency
            this.prefetch = prefetch
        }
    }

    /** Works jobs of [type] by [handler], on a thread that may block. */
    public fun <A : Any, R> handle(type: JobType<A, R>, handler: BlockingHandler<A, R>): WorkerDefinition = step {
        bind(type) {
            handler(blockingHandler { args -> answered(type, handler.handle(args, JobAttempt(this))) })
        }
    }

    /**
     * Works jobs of [type] by [handler], in a transaction on a connection of [dataSource] that completes the job with
     * what the handler returns, or undoes everything. See [TransactionHandler].
     */
    public fun <A : Any, R> handleInTransaction(
        type: JobType<A, R>,
        dataSource: DataSource,
        handler: TransactionHandler<A, R>,
    ): WorkerDefinition = step {
        handleInTransaction(type, kittiwake, dataSource) { connection, args ->
            handler.handle(connection, args, JobAttempt(this))
        }
    }

    /** Works jobs of [types] by the handlers in their declarations, which those made in Kotlin may have. */
    public fun jobs(vararg types: JobType<*, *>): WorkerDefinition = step { jobs(*types) }

    /** After so long a silence its jobs are taken back and run elsewhere. Default: 30 seconds. */
    public fun lease(lease: Duration): WorkerDefinition = step { this.lease = lease.toKotlinDuration() }

    /** How often it gives a sign of life: at most a third of the lease. Default: 5 seconds. */
    public fun heartbeatEvery(every: Duration): WorkerDefinition = step { heartbeatEvery = every.toKotlinDuration() }

    /** How often it looks for jobs that no signal announced. Default: 1 second. */
    public fun pollEvery(every: Duration): WorkerDefinition = step { pollEvery = every.toKotlinDuration() }

    /** How often the jobs of silent workers are taken back, by whichever worker's turn it is. Default: 10 seconds. */
    public fun rescueEvery(every: Duration): WorkerDefinition = step { rescueEvery = every.toKotlinDuration() }

    /** How long running jobs may go on after the worker was told to stop. Default: 20 seconds. */
    public fun shutdownGrace(grace: Duration): WorkerDefinition = step { shutdownGrace = grace.toKotlinDuration() }

    /**
     * How long jobs interrupted after the grace may take to end. Those that take longer keep their claim until the
     * lease ends. Default: 5 seconds.
     */
    public fun cancelGrace(grace: Duration): WorkerDefinition = step { cancelGrace = grace.toKotlinDuration() }

    /**
     * Tells [observer] what happens in this worker, on the worker's own threads: be fast, or hand over. What it throws
     * is logged and changes nothing.
     */
    public fun observe(observer: Consumer<JobNotice>): WorkerDefinition =
        step { observe { observer.accept(JobNotice(it)) } }

    /** Runs it in the background until it is closed, which drains it. */
    public fun start(): RunningWorker = worker().start()

    /**
     * Runs it as what this process is for: blocks until the process is told to end (SIGTERM, SIGINT), and drains first.
     */
    public fun runUntilShutdown(): Unit = worker().runUntilShutdown()

    private fun worker(): Worker {
        val definition = this
        return kittiwake.worker {
            name = definition.name
            steps.forEach { it() }
        }
    }

    private fun step(step: WorkerBuilder.() -> Unit): WorkerDefinition = also { steps += step }
}

/** A handler written in Java may return null, whatever its signature says here. */
private fun <R> answered(type: JobType<*, R>, outcome: Outcome<R>?): Outcome<R> = checkNotNull(outcome) {
    "The handler of job \"${type.name}\" returned null. " +
        "Return Outcomes.done(…), Outcomes.snooze(…) or Outcomes.discard(…)"
}
