package kittiwake.java

import kittiwake.event.JobEvent
import java.time.Duration
import java.util.Optional
import kotlin.time.toJavaDuration

/** What happened to a job in this process, told after the fact: an ending is told when it is written. */
public class JobNotice internal constructor(private val event: JobEvent) {
    /** What happened. */
    public fun kind(): Kind = when (event) {
        is JobEvent.Started -> Kind.STARTED
        is JobEvent.Completed -> Kind.COMPLETED
        is JobEvent.Failed -> Kind.FAILED
        is JobEvent.Discarded -> Kind.DISCARDED
        is JobEvent.Snoozed -> Kind.SNOOZED
        is JobEvent.Released -> Kind.RELEASED
        is JobEvent.Cancelled -> Kind.CANCELLED
        is JobEvent.LeaseLost -> Kind.LEASE_LOST
        is JobEvent.Abandoned -> Kind.ABANDONED
        is JobEvent.Rescued -> Kind.RESCUED
    }

    /** The job it happened to. */
    public fun id(): Long = event.id.value

    /** The name the job was declared with. */
    public fun name(): String = event.name

    /** The queue it waited in. */
    public fun queue(): String = event.queue.value

    /** Which try it was, counted from 1. */
    public fun attempt(): Int = event.attempt

    /** How long the attempt ran, when it completed the job. */
    public fun took(): Optional<Duration> = Optional.ofNullable((event as? JobEvent.Completed)?.took?.toJavaDuration())

    /** When the job runs again, counted from now, after it failed or was put off. */
    public fun delay(): Optional<Duration> = Optional.ofNullable(
        when (event) {
            is JobEvent.Failed -> event.retryIn.toJavaDuration()
            is JobEvent.Snoozed -> event.delay.toJavaDuration()
            else -> null
        },
    )

    /** What went wrong, when it failed or was discarded. */
    public fun error(): Optional<String> = Optional.ofNullable(
        when (event) {
            is JobEvent.Failed -> event.error
            is JobEvent.Discarded -> event.reason
            else -> null
        },
    )

    override fun toString(): String = event.toString()

    /** What can happen to a job in a worker. */
    public enum class Kind {
        /** A handler is about to run. */
        STARTED,

        /** The job is completed and its completion is written. */
        COMPLETED,

        /** The attempt failed; the next one is due later. */
        FAILED,

        /** The job ended without having been done. */
        DISCARDED,

        /** The handler put the job off. */
        SNOOZED,

        /**
         * The job goes back to its queue, and the attempt does not count: the worker is stopping, or had claimed the
         * job ahead and does not come to it.
         */
        RELEASED,

        /** Somebody cancelled the job while it ran. */
        CANCELLED,

        /** The worker had lost the job when the attempt ended; nothing of the ending was written. */
        LEASE_LOST,

        /** The worker has ended without the job, whose code did not stop; it runs again when the lease ends. */
        ABANDONED,

        /** The job's worker was silent and this process took the job back. */
        RESCUED,
    }
}
