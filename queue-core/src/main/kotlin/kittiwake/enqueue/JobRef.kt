package kittiwake.enqueue

import kittiwake.KittiwakeSpi
import kittiwake.job.JobId
import kittiwake.job.JobType

/**
 * What enqueue returns: a job that exists once your transaction has committed, and never did when it rolls back.
 *
 * Return it from the transaction's block rather than collecting it outside: Exposed may run the block again.
 */
public class JobRef<R>
    @KittiwakeSpi
    public constructor(
        /** The job's number. */
        public val id: JobId,
        /** What kind of job it is. */
        public val type: JobType<*, R>,
        /** False when an unfinished job had the same unique key: then this is that job, as it was enqueued first. */
        public val isNew: Boolean,
    ) {
        override fun equals(other: Any?): Boolean = other is JobRef<*> && other.id == id

        override fun hashCode(): Int = id.hashCode()

        override fun toString(): String = "job $id \"${type.name}\"" + if (isNew) "" else " (it existed)"
    }
