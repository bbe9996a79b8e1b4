package kittiwake.job

import kotlin.time.Duration

/**
 * A kind of job as a value: its stable name, how its args are written, its policies, and perhaps its handler.
 *
 * Made by [job]. A program that only enqueues needs no handler; a worker binds one, or finds it here.
 */
public class JobType<A : Any, R> internal constructor(
    /** The name stored in each row, and the default queue. */
    public val name: JobName,
    /** The queue these jobs wait in. */
    public val queue: QueueName,
    /** Higher runs first within a queue. */
    public val priority: Int,
    /** How often a job is tried in all. */
    public val maxAttempts: Int,
    /** How long one attempt may take. */
    public val timeout: Duration,
    /** What happens after a failure. */
    public val retry: RetryPolicy,
    /** How long ended jobs are kept, or null for what the database's configuration says. */
    public val retention: Retention?,
    /** How args are written. */
    public val args: ArgsCodec<A>,
    /** How results are written. */
    public val result: ArgsCodec<R>,
    internal val uniqueKey: ((A) -> String?)?,
    internal val handler: JobHandler<A, R>?,
) {
    override fun toString(): String =
        "job \"$name\" (queue $queue, priority $priority, $maxAttempts attempts, timeout $timeout, " +
            "${if (uniqueKey == null) "not unique" else "unique"}, retention ${retention ?: "default"})"
}

/**
 * Declares a kind of job without a result.
 *
 * ```
 * @Serializable data class ResizeArgs(val imageId: Long, val width: Int)
 *
 * val resize = job<ResizeArgs>("images") {
 *     retry = exponential(2.seconds, max = 10.minutes).jittered().limit(8)
 *     timeout = 2.minutes
 *     handle { args -> images.resize(args.imageId, args.width) }
 * }
 * ```
 * [name] is the job's identity in the database for as long as rows live, and its queue unless `queue` says otherwise:
 * never a class name. Everything wrong in the declaration is reported at once, as an [IllegalArgumentException].
 */
public inline fun <reified A : Any> job(
    name: String,
    configure: JobTypeBuilder<A, Unit>.() -> Unit = {},
): JobType<A, Unit> =
    JobTypeBuilder<A, Unit>(name, { ArgsCodec.serializable() }, { UnitCodec }).apply(configure).build()

/**
 * Declares a kind of job with a result of type [R], stored when the job is completed. Otherwise as the form without a
 * result.
 */
@JvmName("jobWithResult")
public inline fun <reified A : Any, reified R> job(
    name: String,
    configure: JobTypeBuilder<A, R>.() -> Unit = {},
): JobType<A, R> =
    JobTypeBuilder<A, R>(name, { ArgsCodec.serializable() }, { ArgsCodec.serializable() }).apply(configure).build()

/** A job without a result stores none. */
@PublishedApi
internal object UnitCodec : ArgsCodec<Unit> {
    override fun encode(value: Unit): String = ""

    override fun decode(text: String): Unit = Unit
}
