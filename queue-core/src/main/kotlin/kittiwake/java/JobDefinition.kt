package kittiwake.java

import kittiwake.job.JobType
import kittiwake.job.JobTypeBuilder
import java.time.Duration
import java.util.function.Function
import kotlin.time.toKotlinDuration

/**
 * What can be said about a kind of job, one call each, ended by [build]. Made by `Jobs.define`.
 *
 * Nothing is checked before [build], which reports everything wrong at once.
 */
public class JobDefinition<A : Any, R> internal constructor(private val type: JobTypeBuilder<A, R>) {
    /** The queue these jobs wait in. Default: the name of the job. */
    public fun queue(name: String): JobDefinition<A, R> = also { type.queue = name }

    /** Higher runs first within the queue, from -1000 to 1000. Default: 0. */
    public fun priority(priority: Int): JobDefinition<A, R> = also { type.priority = priority }

    /** How long one attempt may take before its thread is interrupted. Default: no limit. */
    public fun timeout(timeout: Duration): JobDefinition<A, R> = also { type.timeout = timeout.toKotlinDuration() }

    /**
     * How often a job is tried in all, the first try and crashes of its worker included. Default: the policy's own
     * limit, else 20.
     */
    public fun maxAttempts(attempts: Int): JobDefinition<A, R> = also { type.maxAttempts = attempts }

    /** What happens after a failed attempt. Default: exponential from one second to an hour, jittered. */
    public fun retry(policy: Retry): JobDefinition<A, R> = also { type.retry = policy.policy }

    /**
     * At most one unfinished job of this name has the key that [key] makes of its args; enqueueing a second returns the
     * first.
     *
     * The key is the value's `toString()`, 1 to 255 bytes of it; null means not unique. It is free again when the job
     * ends.
     *
     * ```java
     * .unique(ResizeArgs::imageId)
     * ```
     */
    public fun unique(key: Function<in A, *>): JobDefinition<A, R> = also { type.unique { key.apply(it) } }

    /**
     * How long ended jobs stay in the archive: [completed] ones, and those discarded or cancelled ([failed]). Default:
     * what the database's configuration says, seven and thirty days unless it says otherwise.
     */
    public fun retain(completed: Duration, failed: Duration): JobDefinition<A, R> =
        also { type.retain(completed.toKotlinDuration(), failed.toKotlinDuration()) }

    /** The job type, a value to keep in a constant. An [IllegalArgumentException] lists everything that is wrong. */
    public fun build(): JobType<A, R> = type.build()
}
