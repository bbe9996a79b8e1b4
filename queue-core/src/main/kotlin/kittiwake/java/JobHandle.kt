package kittiwake.java

import kittiwake.enqueue.JobRef
import kittiwake.job.JobType

/** What enqueue returns: a job that exists once your transaction has committed, and never did when it rolls back. */
public class JobHandle<R> internal constructor(private val ref: JobRef<R>) {
    /** The job's number. */
    public fun id(): Long = ref.id.value

    /** False when an unfinished job had the same unique key: then this is that job, as it was enqueued first. */
    public fun isNew(): Boolean = ref.isNew

    /** What kind of job it is; the key to its result, see [StoredJob.result]. */
    public fun type(): JobType<*, R> = ref.type

    override fun equals(other: Any?): Boolean = other is JobHandle<*> && other.ref == ref

    override fun hashCode(): Int = ref.hashCode()

    override fun toString(): String = ref.toString()
}
