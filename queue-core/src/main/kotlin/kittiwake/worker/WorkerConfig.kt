package kittiwake.worker

import kittiwake.job.QueueName
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** How a worker was built: everything [WorkerBuilder] can say, with the defaults filled in. Logged once at start. */
public class WorkerConfig internal constructor(
    /** What logs and the list of workers call it. */
    public val name: String,
    /** The queues it works. */
    public val queues: List<QueueConfig>,
    /** After so long a silence its jobs are taken back. */
    public val lease: Duration,
    /** How often it gives a sign of life. */
    public val heartbeatEvery: Duration,
    /** How often it looks for jobs that no signal announced. */
    public val pollEvery: Duration,
    /** How often somebody takes back the jobs of silent workers. */
    public val rescueEvery: Duration,
    /** How long running jobs may go on after it was told to stop. */
    public val shutdownGrace: Duration,
    /** How long cancelled jobs may take to end after that. */
    public val cancelGrace: Duration,
) {
    override fun toString(): String =
        "worker \"$name\" (queues $queues, lease $lease, heartbeat every $heartbeatEvery, poll every $pollEvery, " +
            "rescue every $rescueEvery, shutdown grace $shutdownGrace, cancel grace $cancelGrace)"

    internal object Defaults {
        const val CONCURRENCY = 8
        val PREFETCH: Int? = null
        val LEASE = 30.seconds
        val HEARTBEAT_EVERY = 5.seconds
        val POLL_EVERY = 1.seconds
        val RESCUE_EVERY = 10.seconds
        val SHUTDOWN_GRACE = 20.seconds
        val CANCEL_GRACE = 5.seconds
    }
}

/** How one queue is worked. */
public class QueueConfig internal constructor(
    /** Its name. */
    public val name: QueueName,
    /** How many of its jobs run at once in this worker. */
    public val concurrency: Int,
    /** How many more are claimed ahead and wait in memory; null for as many as needed, by the pace of the jobs. */
    public val prefetch: Int?,
) {
    override fun toString(): String = "$name × $concurrency" +
        when (prefetch) {
            null -> " + ahead as needed"
            0 -> ""
            else -> " + $prefetch ahead"
        }
}

/** At most this many jobs are claimed by one statement: 700 gain 4 %, and put more at stake (decision 0038). */
internal const val CLAIM_BATCH = 500

/** Completions are written together when so many are there, or when this window has passed. */
internal const val COMPLETION_BATCH = 1_000
internal val COMPLETION_WINDOW = 1.milliseconds

/** Those that are in the database already can wait for more: only that their lease is used up is left to write. */
internal val SETTLED_WINDOW = 5.milliseconds
