package kittiwake.java

import kittiwake.job.Outcome

/**
 * Works jobs of one type on a thread that may block: a virtual one where the JVM has them.
 *
 * ```java
 * (args, job) -> {
 *     if (!api.ready(args.id())) return Outcomes.snooze(Duration.ofMinutes(1));
 *     images.resize(args.id(), args.width());
 *     return Outcomes.done();
 * }
 * ```
 * What it throws, checked or not, is the failure of the attempt: the job is tried again by its retry policy. Its thread
 * is interrupted when the attempt times out, the job is cancelled, or the worker stops and its grace has run out: let
 * the `InterruptedException` out.
 */
public fun interface BlockingHandler<A, R> {
    /** Works one job and says how it goes on, with an answer from `Outcomes`. Null counts as a failure. */
    @Throws(Exception::class)
    public fun handle(args: A, job: JobAttempt): Outcome<R>
}
