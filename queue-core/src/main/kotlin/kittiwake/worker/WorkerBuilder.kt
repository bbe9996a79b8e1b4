package kittiwake.worker

import kittiwake.KittiwakeDsl
import kittiwake.KittiwakeSpi
import kittiwake.event.JobObserver
import kittiwake.internal.CENTURY
import kittiwake.internal.Problems
import kittiwake.internal.checkConfig
import kittiwake.internal.didYouMean
import kittiwake.job.DecisionScope
import kittiwake.job.HandlerBinding
import kittiwake.job.JobHandler
import kittiwake.job.JobScope
import kittiwake.job.JobType
import kittiwake.job.Outcome
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.checkName
import kittiwake.job.storedText
import kittiwake.store.JobStore
import java.security.SecureRandom
import kotlin.random.Random
import kotlin.random.asKotlinRandom
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/**
 * The block of `kittiwake.worker { }`: which queues it works, and who does the work.
 *
 * ```
 * val worker = kittiwake.worker {
 *     queue("images") { concurrency = 8 }
 *     jobs(resize)                                          // has its handler in its declaration
 *     handle(render) { args -> renderer.render(args) }      // is bound here, where the services are
 *     shutdownGrace = 20.seconds
 * }
 * ```
 */
@OptIn(KittiwakeSpi::class)
@KittiwakeDsl
public class WorkerBuilder internal constructor(
    private val store: JobStore,
    private val retention: Retention,
    private val connections: Int? = null,
) {
    /** What logs and the list of workers call it. Default: "worker". */
    public var name: String = "worker"

    /**
     * After so long a silence its jobs are taken back and run elsewhere. Shorter, they wait less when it has died; longer,
     * it may be cut off or stand still for longer without losing them. Default: 30 seconds.
     */
    public var lease: Duration = WorkerConfig.Defaults.LEASE

    /**
     * How often it gives a sign of life, and hears of jobs that were cancelled: at most a third of [lease]. Each is a
     * statement and a commit, of a fraction of a millisecond unless thousands run. Default: 5 seconds.
     */
    public var heartbeatEvery: Duration = WorkerConfig.Defaults.HEARTBEAT_EVERY

    /**
     * How often it looks for jobs that no signal announced, a tenth more or less: so long does one wait whose signal was
     * lost. Each look is one statement for all queues that sleep. Default: 1 second.
     */
    public var pollEvery: Duration = WorkerConfig.Defaults.POLL_EVERY

    /**
     * How often the jobs of silent workers are taken back, by whichever worker's turn it is. So long they may wait beyond
     * the [lease] of the one that died. Default: 10 seconds.
     */
    public var rescueEvery: Duration = WorkerConfig.Defaults.RESCUE_EVERY

    /**
     * How long running jobs may go on after the worker was told to stop. Those that take longer are cancelled, and run
     * again from their start elsewhere. So long, for [cancelGrace] and for the last writes, which are given up after a
     * [lease], the stop may take. Default: 20 seconds.
     */
    public var shutdownGrace: Duration = WorkerConfig.Defaults.SHUTDOWN_GRACE

    /**
     * How long jobs cancelled after the grace may take to end. Those that take longer keep their claim until the lease
     * ends. Default: 5 seconds.
     */
    public var cancelGrace: Duration = WorkerConfig.Defaults.CANCEL_GRACE

    /** The clock that attempts are measured with. Default: the system's; a test passes its scheduler's. */
    @KittiwakeSpi
    public var timeSource: TimeSource.WithComparableMarks = TimeSource.Monotonic

    /** Where its ids and the spread of its waits come from. Default: the system's; a simulation passes a seeded one. */
    @KittiwakeSpi
    public var random: Random = SecureRandom().asKotlinRandom()

    private val queues = mutableListOf<Pair<String, QueueBuilder>>()
    private val bound = mutableListOf<BoundJob<*, *>>()
    private val observers = mutableListOf<JobObserver>()

    /** Works [names]; repeat it for queues that are worked differently. */
    public fun queue(vararg names: String, configure: QueueBuilder.() -> Unit = {}) {
        val builder = QueueBuilder().apply(configure)
        names.forEach { queues += it to builder }
    }

    /** Works jobs of [types], by the handlers in their declarations. */
    public fun jobs(vararg types: JobType<*, *>) {
        types.forEach { declared(it) }
    }

    /** Works jobs of [type] by [block]: the form of [HandlerBinding.handle]. */
    public fun <A : Any, R> handle(type: JobType<A, R>, block: suspend JobScope.(args: A) -> R): Unit =
        bind(type) { handle(block) }

    /** Works jobs of [type] by [block]: the form of [HandlerBinding.handleBlocking]. */
    public fun <A : Any, R> handleBlocking(type: JobType<A, R>, block: JobScope.(args: A) -> R): Unit =
        bind(type) { handleBlocking(block) }

    /** Works jobs of [type] by [block]: the form of [HandlerBinding.decide]. */
    public fun <A : Any, R> decide(type: JobType<A, R>, block: suspend DecisionScope<R>.(args: A) -> Outcome<R>): Unit =
        bind(type) { decide(block) }

    /** Tells [observer] what happens in this worker. */
    public fun observe(observer: JobObserver) {
        observers += observer
    }

    /** Binds a handler of any form to [type]. */
    @KittiwakeSpi
    public fun <A : Any, R> bind(type: JobType<A, R>, binding: HandlerBinding<A, R>.() -> Unit) {
        val jobs = bound
        object : HandlerBinding<A, R>() {
            @KittiwakeSpi
            override fun handler(handler: JobHandler<A, R>) {
                jobs += BoundJob(type, handler)
            }

            @KittiwakeSpi
            override fun encode(result: R): String? = type.result.storedText(result)
        }.binding()
    }

    private fun <A : Any, R> declared(type: JobType<A, R>) {
        bound += BoundJob(type, type.handler)
    }

    internal fun build(): Worker {
        val configs = mutableListOf<QueueConfig>()
        checkConfig("Worker \"$name\"") {
            valid { checkName("Worker names", name, MAX_NAME_LENGTH) }
            rule(queues.isNotEmpty()) { "it works no queue. Say queue(\"…\")" }
            for ((queue, builder) in queues) {
                builder.check(this, queue)
                valid("queue \"$queue\": ") { QueueName(queue) }?.let { valid ->
                    configs += QueueConfig(valid, builder.concurrency, builder.prefetch ?: aheadOf(valid))
                }
            }
            for ((queue, times) in queues.groupingBy { it.first }.eachCount()) {
                rule(times == 1) { "queue \"$queue\" is configured $times times" }
            }
            checkJobs(configs.map { it.name.value })
            checkTimes()
            checkConnections(configs)
        }
        val config =
            WorkerConfig(name, configs, lease, heartbeatEvery, pollEvery, rescueEvery, shutdownGrace, cancelGrace)
        val retentions = bound.mapNotNullTo(mutableSetOf(retention)) { it.type.retention }
        val handlers = bound.associateBy { it.type.name.value }
        return Worker(config, store, handlers, observers.toList(), retentions, timeSource, random)
    }

    /** A crash uses up the only attempt of a job that was merely claimed ahead: it would end without having run. */
    private fun aheadOf(queue: QueueName): Int? =
        if (bound.any { it.type.queue == queue && it.type.maxAttempts == 1 }) 0 else null

    private fun Problems.checkJobs(served: List<String>) {
        for ((name, same) in bound.groupBy { it.type.name.value }) {
            rule(same.size == 1) {
                "job \"$name\" has ${same.size} handlers: ${same.joinToString { it.type.toString() }}"
            }
            val type = same.first().type
            rule(same.any { it.handler != null }) {
                "job \"$name\" has no handler in its declaration. Bind one with handle(…) instead of jobs(…)"
            }
            rule(type.queue.value in served || served.isEmpty()) {
                "job \"$name\" waits in queue \"${type.queue}\", which this worker does not work." +
                    didYouMean(type.queue.value, served)
            }
        }
    }

    /** Handlers that wait for each other's connections would stand still: the pool must hold one each, and one more. */
    private fun Problems.checkConnections(configs: List<QueueConfig>) {
        val holders = bound.filter { (it.handler?.connections ?: 0) > 0 }.groupBy { it.type.queue }
        val atOnce = configs.sumOf { queue ->
            queue.concurrency * (holders[queue.name]?.maxOf { it.handler?.connections ?: 0 } ?: 0)
        }
        rule(atOnce == 0 || connections == null || connections > atOnce) {
            "$atOnce transactional handlers need ${atOnce + 1} connections, but the pool has $connections. " +
                "Enlarge the pool, or lower the concurrency of ${holders.keys.joinToString { "\"$it\"" }}"
        }
    }

    private fun Problems.checkTimes() {
        rule(lease in 1.seconds..CENTURY) { "lease must be at least 1s, but was $lease" }
        rule(heartbeatEvery.isPositive() && heartbeatEvery * 3 <= lease) {
            "heartbeatEvery ($heartbeatEvery) must be at most a third of lease ($lease)"
        }
        for ((name, every) in listOf("pollEvery" to pollEvery, "rescueEvery" to rescueEvery)) {
            rule(every.isPositive() && every <= CENTURY) { "$name must be longer than zero and finite, but was $every" }
        }
        for ((name, grace) in listOf("shutdownGrace" to shutdownGrace, "cancelGrace" to cancelGrace)) {
            rule(!grace.isNegative() && grace <= CENTURY) { "$name must be zero or longer and finite, but was $grace" }
        }
    }
}

private const val MAX_NAME_LENGTH = 100

/** A job type and who works it. */
internal class BoundJob<A : Any, R>(val type: JobType<A, R>, val handler: JobHandler<A, R>?)

/** A worker on a store of your own. `kittiwake.worker { }` is the usual way. */
@KittiwakeSpi
public fun worker(
    store: JobStore,
    retention: Retention = Retention.Default,
    configure: WorkerBuilder.() -> Unit,
): Worker = WorkerBuilder(store, retention).apply(configure).build()
