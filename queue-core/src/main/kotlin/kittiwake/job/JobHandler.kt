package kittiwake.job

import kittiwake.KittiwakeDsl
import kittiwake.KittiwakeSpi
import kittiwake.internal.CurrentJob
import kittiwake.internal.blockingDispatcher
import kotlinx.coroutines.ThreadContextElement
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.runInterruptible
import kotlin.coroutines.ContinuationInterceptor
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.EmptyCoroutineContext

/** Does the work of one kind of job. Users write the forms of [HandlerBinding]; integrations implement this. */
public fun interface JobHandler<A, R> {
    /** Works one job. What it throws is the failure of the attempt. */
    public suspend fun JobScope.work(args: A): Outcome<R>

    /** How many connections of the application's pool it holds while it works. */
    @KittiwakeSpi
    public val connections: Int get() = 0

    /**
     * Whether it blocks its thread. If so it is started on a thread that may block, where the next of its kind follows,
     * and [onBlockingThread] changes to no other.
     */
    @KittiwakeSpi
    public val blocks: Boolean get() = false
}

/** Does its work by [block] on a thread that may block, interrupted on cancellation. */
@OptIn(KittiwakeSpi::class)
internal fun <A, R> blockingHandler(block: JobScope.(args: A) -> Outcome<R>) = object : JobHandler<A, R> {
    override val blocks get() = true

    override suspend fun JobScope.work(args: A): Outcome<R> {
        val job = this
        return onBlockingThread { job.block(args) }
    }
}

/** The forms a handler can take, wherever it is bound: in the job's declaration or in a worker. */
@OptIn(KittiwakeSpi::class)
@KittiwakeDsl
public abstract class HandlerBinding<A, R> internal constructor() {
    /** Binds a handler of any form. */
    @KittiwakeSpi
    public abstract fun handler(handler: JobHandler<A, R>)

    /** The text for [result] as the job's type writes it; null for a job without a result. */
    @KittiwakeSpi
    public abstract fun encode(result: R): String?

    /**
     * The usual form: returning completes the job with the result, throwing retries it by its policy.
     *
     * It runs on the dispatcher of whoever runs the worker. Code that blocks its thread belongs in [handleBlocking].
     */
    public fun handle(block: suspend JobScope.(args: A) -> R): Unit = handler { args -> Outcome.done(block(args)) }

    /**
     * For code that blocks its thread: runs on a thread that may block (a virtual one where the JVM has them),
     * interrupted on cancellation.
     */
    public fun handleBlocking(block: JobScope.(args: A) -> R): Unit =
        handler(blockingHandler { args -> Outcome.done(block(args)) })

    /**
     * For handlers that may also put the job off or give it up: the block must return `done(…)`, `snooze(…)` or
     * `discard(…)`.
     *
     * ```
     * decide { args -> if (api.ready(args.id)) done(api.fetch(args.id)) else snooze(1.minutes) }
     * ```
     */
    public fun decide(block: suspend DecisionScope<R>.(args: A) -> Outcome<R>): Unit =
        handler { args -> DecisionScope<R>(this).block(args) }
}

/** Runs [block] where code may block its thread, interrupted on cancellation. */
@KittiwakeSpi
public suspend fun <T> onBlockingThread(block: () -> T): T {
    val current = currentCoroutineContext()
    // A context that changes nothing costs more than to see that it would change nothing.
    val isThere = current[ContinuationInterceptor] === blockingDispatcher && !current.setsThreadLocals()
    return runInterruptible(if (isThere) EmptyCoroutineContext else blockingDispatcher) {
        try {
            block()
        } finally {
            // Code that was interrupted may leave its thread so, and the next job is on the same.
            Thread.interrupted()
        }
    }
}

/** Whether something of the caller's is shown anew for each job; [CurrentJob] does so by itself. */
private fun CoroutineContext.setsThreadLocals(): Boolean =
    fold(false) { found, element -> found || (element is ThreadContextElement<*> && element !is CurrentJob) }
