@file:JvmName("Jobs")

package kittiwake.java

import kittiwake.job.ArgsCodec
import kittiwake.job.JobTypeBuilder

/**
 * Declares a kind of job without a result, for Java. Args are JSON by Jackson, so a record is all it takes.
 *
 * ```java
 * record ResizeArgs(long imageId, int width) {}
 *
 * static final JobType<ResizeArgs, Void> RESIZE = Jobs.define("images", ResizeArgs.class)
 *     .timeout(Duration.ofMinutes(2))
 *     .retry(Retry.exponential(Duration.ofSeconds(2)).jittered().limit(8).onlyFor(IOException.class))
 *     .unique(ResizeArgs::imageId)
 *     .build();
 * ```
 * [name] is the job's identity in the database for as long as rows live, and its queue unless `queue` says otherwise:
 * never a class name. A Kotlin class with a property for each component of the record reads and writes the same JSON,
 * so enqueueing and working may be done in different languages.
 */
public fun <A : Any> define(name: String, args: Class<A>): JobDefinition<A, Void?> =
    definition(name, { jacksonCodec(args) }, { NoResult })

/**
 * Declares a kind of job with a result, stored when the job is completed. Otherwise as the form without a result.
 *
 * ```java
 * static final JobType<RenderArgs, RenderResult> RENDER =
 *     Jobs.define("images.render", RenderArgs.class, RenderResult.class).queue("images").build();
 * ```
 */
public fun <A : Any, R> define(name: String, args: Class<A>, result: Class<R>): JobDefinition<A, R> =
    definition(name, { jacksonCodec(args) }, { jacksonCodec(result) })

/**
 * Declares a kind of job without a result whose args are written by [args]: Jackson with a mapper of your own, or
 * something else altogether.
 *
 * ```java
 * Jobs.define("images", JacksonCodec.of(mapper, ResizeArgs.class)).build();
 * ```
 */
public fun <A : Any> define(name: String, args: ArgsCodec<A>): JobDefinition<A, Void?> =
    definition(name, { args }, { NoResult })

/** Declares a kind of job whose args are written by [args] and whose result by [result]. */
public fun <A : Any, R> define(name: String, args: ArgsCodec<A>, result: ArgsCodec<R>): JobDefinition<A, R> =
    definition(name, { args }, { result })

private fun <A : Any, R> definition(name: String, args: () -> ArgsCodec<A>, result: () -> ArgsCodec<R>) =
    JobDefinition(JobTypeBuilder(name, args, result))

/** Jackson is optional: only here and in [JacksonCodec] is it touched, so its absence can be said in words. */
private fun <T> jacksonCodec(type: Class<T>): ArgsCodec<T> = try {
    JacksonCodec.of(type)
} catch (e: NoClassDefFoundError) {
    throw IllegalArgumentException(
        "Jackson, which would read and write ${type.simpleName}, is not on the class path. " +
            "Add the dependency com.fasterxml.jackson.core:jackson-databind, " +
            "or give define(…) an ArgsCodec of your own",
        e,
    )
}

private object NoResult : ArgsCodec<Void?> {
    override fun encode(value: Void?): String = ""

    override fun decode(text: String): Void? = null

    override fun toString(): String = "no result"
}
