package kittiwake.worker

import kittiwake.KittiwakeDsl
import kittiwake.internal.Problems

/** The block of `queue("…") { }`. */
@KittiwakeDsl
public class QueueBuilder internal constructor() {
    /**
     * How many jobs of the queue run at once in this worker. With more, more of those overlap that wait for something,
     * and they take more of whatever they use: memory, connections, somebody else's service. Default: 8.
     */
    public var concurrency: Int = WorkerConfig.Defaults.CONCURRENCY

    /**
     * How many more jobs are claimed ahead and wait in memory, so that no place waits for the database. Default: null,
     * as many as needed.
     *
     * As many as needed are as many as this worker has lately finished within 50 ms: some two thousand of the shortest,
     * none of jobs that take longer than that. When they become slow all at once, what has waited for a second goes
     * back to the queue, at no cost of an attempt. In a queue whose jobs may be tried only once it is zero.
     *
     * A number is kept to, however short or long the jobs are.
     *
     * ### Pitfall
     * A job claimed ahead is kept from other workers while it waits, a more urgent one that comes later does not
     * overtake it, and a crash of this worker counts as an attempt of it. Zero claims what can start, and no more.
     */
    public var prefetch: Int? = WorkerConfig.Defaults.PREFETCH

    internal fun check(problems: Problems, queue: String) {
        problems.rule(concurrency in 1..MAX_CONCURRENCY) {
            "queue \"$queue\": concurrency must be between 1 and $MAX_CONCURRENCY, but was $concurrency"
        }
        problems.rule(prefetch?.let { it in 0..MAX_PREFETCH } ?: true) {
            "queue \"$queue\": prefetch must be between 0 and $MAX_PREFETCH, or null for as many as needed, " +
                "but was $prefetch"
        }
    }

    private companion object {
        const val MAX_CONCURRENCY = 100_000
        const val MAX_PREFETCH = 10_000
    }
}
