package kittiwake.job

import kittiwake.internal.unstorable
import kotlin.random.Random
import kotlin.uuid.ExperimentalUuidApi
import kotlin.uuid.Uuid

/** The number of a job: given by the database at enqueue, the same over all its attempts, never used again. */
@JvmInline
public value class JobId(public val value: Long) {
    override fun toString(): String = value.toString()
}

/**
 * The stable name of a kind of job, stored in each row: 1 to 100 characters, never a class name.
 *
 * Names that start with `kw.` are Kittiwake's own.
 */
@JvmInline
public value class JobName(public val value: String) {
    init {
        checkName("Job names", value, MAX_LENGTH)
        require(!value.startsWith("kw.")) { "Job names that start with \"kw.\" are reserved, but one was \"$value\"" }
    }

    override fun toString(): String = value

    private companion object {
        const val MAX_LENGTH = 100
    }
}

/**
 * A lane that jobs wait in, with its own concurrency in each worker: 1 to 128 characters, any script, spaces allowed.
 */
@JvmInline
public value class QueueName(public val value: String) {
    init {
        checkName("Queue names", value, MAX_LENGTH)
    }

    override fun toString(): String = value

    private companion object {
        const val MAX_LENGTH = 128
    }
}

/**
 * One life of one worker: fresh and random for every `run()`, so that what an earlier life still wants to write is
 * refused.
 */
@OptIn(ExperimentalUuidApi::class)
@JvmInline
public value class WorkerId(public val value: String) {
    init {
        require(Uuid.parseOrNull(value) != null) { "A worker id is a UUID, but was \"$value\"" }
    }

    override fun toString(): String = value

    public companion object {
        /** An id that no worker has had. */
        public fun random(): WorkerId = WorkerId(Uuid.random().toString())

        internal fun random(random: Random): WorkerId =
            WorkerId(Uuid.fromLongs(random.nextLong(), random.nextLong()).toString())
    }
}

internal fun checkName(what: String, value: String, maxLength: Int) {
    val length = value.codePointCount(0, value.length)
    require(value.isNotBlank() && length <= maxLength) {
        "$what have 1 to $maxLength characters, not all of them spaces, but one had $length: " +
            "\"${value.take(maxLength + 20)}\""
    }
    val control = value.indexOfFirst(Char::isISOControl)
    require(control < 0) {
        "$what have no control characters, but one has U+%04X at $control".format(value[control].code)
    }
    val unstorable = unstorable(value)
    require(unstorable == null) { "$what are text, but one contains $unstorable" }
}
