package kittiwake.job

import kittiwake.KittiwakeSpi
import kittiwake.internal.CENTURY
import kittiwake.internal.checkConfig
import kotlin.time.Duration

/** The block of [job]: values are properties with a default, things to run are functions. */
@OptIn(KittiwakeSpi::class)
public class JobTypeBuilder<A : Any, R> @PublishedApi internal constructor(
    private val name: String,
    private val args: () -> ArgsCodec<A>,
    private val result: () -> ArgsCodec<R>,
) : HandlerBinding<A, R>() {
    /** The queue these jobs wait in. Default: the name of the job. */
    public var queue: String = name

    /** Higher runs first within the queue, from -1000 to 1000. Default: 0. */
    public var priority: Int = 0

    /** What happens after a failed attempt. Default: exponential from one second to an hour, jittered. */
    public var retry: RetryPolicy = RetryPolicy.Default

    /**
     * How often a job is tried in all, the first try and crashes of its worker included. Default: the policy's own
     * limit, else 20.
     */
    public var maxAttempts: Int? = null

    /** How long one attempt may take before its coroutine is cancelled. Default: no limit. */
    public var timeout: Duration = Duration.INFINITE

    private var uniqueKey: ((A) -> Any?)? = null
    private var retention: (() -> Retention)? = null
    private val resultCodec by lazy(result)
    private val handlers = mutableListOf<JobHandler<A, R>>()

    /**
     * At most one unfinished job of this name has the key that [key] makes of its args; enqueueing a second returns the
     * first.
     *
     * The key is the value's `toString()`, 1 to 255 bytes of it; null means not unique. It is free again when the job
     * ends.
     */
    public fun unique(key: (args: A) -> Any?) {
        uniqueKey = key
    }

    /** How long ended jobs of this type stay in the archive. Default: what the database's configuration says. */
    public fun retain(completed: Duration = Retention.Default.completed, failed: Duration = Retention.Default.failed) {
        retention = { Retention(completed, failed) }
    }

    @KittiwakeSpi
    override fun handler(handler: JobHandler<A, R>) {
        handlers += handler
    }

    @KittiwakeSpi
    override fun encode(result: R): String? = resultCodec.storedText(result)

    @PublishedApi
    internal fun build(): JobType<A, R> {
        var type: JobType<A, R>? = null
        checkConfig("Job \"$name\"") {
            val jobName = valid { JobName(name) }
            // The queue is the name unless it was said: one mistake, one complaint.
            val queueName = if (jobName == null && queue == name) null else valid { QueueName(queue) }
            val kept = retention?.let { valid(construct = it) }
            val argsCodec = valid("args: ") { args() }
            val results = valid("result: ") { resultCodec }
            val attempts = maxAttempts ?: retry.maxAttempts ?: DEFAULT_ATTEMPTS
            val ownLimit = retry.maxAttempts
            rule(priority in PRIORITIES) {
                "priority must be between ${PRIORITIES.first} and ${PRIORITIES.last}, but was $priority"
            }
            rule(attempts in 1..MAX_ATTEMPTS) { "maxAttempts must be between 1 and $MAX_ATTEMPTS, but was $attempts" }
            rule(maxAttempts == null || ownLimit == null || maxAttempts == ownLimit) {
                "maxAttempts ($maxAttempts) and the policy's limit ($ownLimit) say different things: say it once"
            }
            rule(timeout.isPositive() && (timeout.isInfinite() || timeout <= CENTURY)) {
                "timeout must be longer than zero and shorter than a century, but was $timeout"
            }
            rule(handlers.size <= 1) { "it has ${handlers.size} handlers, but a job has one" }
            if (jobName != null && queueName != null && argsCodec != null && results != null) {
                type =
                    JobType(
                        jobName, queueName, priority, attempts, timeout, retry, kept, argsCodec, results,
                        uniqueKey?.let { key -> { args -> key(args)?.toString() } }, handlers.singleOrNull(),
                    )
            }
        }
        return checkNotNull(type)
    }
}

internal const val DEFAULT_ATTEMPTS = 20
internal val PRIORITIES = -1000..1000
