package kittiwake.enqueue

import kittiwake.KittiwakeSpi
import kittiwake.internal.CENTURY
import kittiwake.internal.CurrentJob
import kittiwake.internal.Problems
import kittiwake.internal.checkArgs
import kittiwake.internal.checkConfig
import kittiwake.internal.unstorable
import kittiwake.job.JobId
import kittiwake.job.JobName
import kittiwake.job.JobType
import kittiwake.job.PRIORITIES
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kotlinx.serialization.json.Json
import kotlin.time.Clock
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days
import kotlin.time.Instant

/** A job on its way in: checked, encoded, not yet stored. */
@KittiwakeSpi
public class NewJob(
    /** The name of its type. */
    public val name: JobName,
    /** The queue it will wait in. */
    public val queue: QueueName,
    /** Higher runs first. */
    public val priority: Int,
    /** The args as they will be stored. */
    public val args: String,
    /** After this many tries it is discarded. */
    public val maxAttempts: Int,
    /** Run no earlier than this long after the insert. */
    public val delay: Duration? = null,
    /** Run no earlier than this. */
    public val runAt: Instant? = null,
    /** Its place among those of its priority; null after all that have one. */
    public val expectedAt: Instant? = null,
    /** At most one unfinished job of this name has it. */
    public val uniqueKey: String? = null,
    /** The job it belongs to. */
    public val parent: JobId? = null,
    /** A JSON object of strings, or null. */
    public val metadata: String? = null,
    /** How long it is kept when it has ended; null for the default. */
    public val retention: Retention? = null,
) {
    /** Whoever it is handed over to may be gone, and nobody know it yet: that attempt would be lost, though it never began. */
    internal val mayBeHandedOver: Boolean get() = maxAttempts > 1
}

/**
 * Checks and encodes: everything that can be known to be wrong is said here, before a statement could break the
 * caller's transaction.
 */
@KittiwakeSpi
public fun <A : Any> JobType<A, *>.newJob(args: A, configure: EnqueueOptions.() -> Unit = {}): NewJob {
    val type = this
    val options = EnqueueOptions().apply(configure)
    val encoded =
        try {
            type.args.encode(args).also(::checkArgs)
        } catch (e: IllegalArgumentException) {
            throw IllegalArgumentException("The args of job \"$name\" cannot be stored: ${e.message}", e)
        } catch (e: StackOverflowError) {
            throw IllegalArgumentException("The args of job \"$name\" cannot be stored: they nest too deep", e)
        }
    val key =
        options.uniqueKey ?: try {
            type.uniqueKey?.invoke(args)
        } catch (e: Exception) {
            throw IllegalArgumentException("The unique key of job \"$name\" cannot be made from its args: $e", e)
        }
    var queue = type.queue
    checkConfig("Job \"$name\" to enqueue") {
        options.queue?.let { chosen -> valid { QueueName(chosen) }?.let { queue = it } }
        rule((options.priority ?: 0) in PRIORITIES) {
            "priority must be between ${PRIORITIES.first} and ${PRIORITIES.last}, but was ${options.priority}"
        }
        rule(options.delay == null || options.runAt == null) {
            "delay (${options.delay}) and runAt (${options.runAt}) exclude each other"
        }
        options.delay?.let {
            rule(!it.isNegative() && it <= FAR) { "delay must be between zero and ten years, but was $it" }
        }
        for ((option, time) in listOf("runAt" to options.runAt, "expectedAt" to options.expectedAt)) {
            rule(time == null || time - Clock.System.now() in -CENTURY..FAR) {
                "$option must be within the next ten years, but was $time"
            }
        }
        rule(key == null || key.encodeToByteArray().size in 1..MAX_KEY_BYTES) {
            "the unique key must have 1 to $MAX_KEY_BYTES bytes, but has ${key?.encodeToByteArray()?.size}"
        }
        key?.let(::unstorable)?.let { rule(false) { "the unique key contains $it, which PostgreSQL cannot store" } }
        checkMetadata(options.metadata)
    }
    return NewJob(
        name, queue, options.priority ?: priority, encoded, maxAttempts,
        options.delay, options.runAt, options.expectedAt, key,
        options.parent ?: CurrentJob.idOrNull()?.let(::JobId),
        options.metadata.takeIf { it.isNotEmpty() }?.let { Json.encodeToString(it) },
        retention,
    )
}

private fun Problems.checkMetadata(metadata: Map<String, String>) {
    val size = metadata.entries.sumOf { it.key.length + it.value.length }
    rule(size <= MAX_METADATA) { "metadata may have $MAX_METADATA characters in all, but has $size" }
    for ((key, value) in metadata) {
        val unstorable = unstorable(key) ?: unstorable(value)
        rule(unstorable == null) { "metadata \"$key\" contains $unstorable, which PostgreSQL cannot store" }
    }
}

private const val MAX_KEY_BYTES = 255
private const val MAX_METADATA = 16 * 1024
private val FAR = 3653.days
