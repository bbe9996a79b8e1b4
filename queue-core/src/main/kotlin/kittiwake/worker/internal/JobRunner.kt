package kittiwake.worker.internal

import kittiwake.ArgsDecodingException
import kittiwake.KittiwakeSpi
import kittiwake.UnknownJobException
import kittiwake.internal.CENTURY
import kittiwake.internal.CurrentJob
import kittiwake.internal.storable
import kittiwake.job.After
import kittiwake.job.ClaimedJob
import kittiwake.job.Failure
import kittiwake.job.GiveUp
import kittiwake.job.Interruption
import kittiwake.job.JobType
import kittiwake.job.Outcome
import kittiwake.job.RetryDecision
import kittiwake.job.RetryPolicy
import kittiwake.job.storedText
import kittiwake.store.Completion
import kittiwake.store.Completion.Settled.Reason
import kittiwake.worker.BoundJob
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.job
import kotlinx.coroutines.launch
import kotlinx.coroutines.plus
import org.slf4j.LoggerFactory
import kotlin.coroutines.ContinuationInterceptor
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.TimeSource

/**
 * Runs one claimed job and says how it ended. It is total: every ending of a handler, any throwable included, becomes
 * one [Completion], or null when the job is no longer ours to write about.
 */
@OptIn(KittiwakeSpi::class)
internal class JobRunner(
    private val handlers: Map<String, BoundJob<*, *>>,
    private val time: TimeSource,
    private val dispatcher: ContinuationInterceptor,
    private val onFatalError: (Throwable) -> Unit,
) {
    /** The caller has a [CurrentJob] in its context. */
    suspend fun run(job: RunningJob): Completion? {
        val bound = handlers[job.claim.name] ?: return unknown(job.claim)
        return Attempt(bound, job).run()
    }

    /** Whether its handler blocks the thread. A suspect one waits for its turn first, without a thread. */
    fun blocks(job: RunningJob): Boolean = !job.claim.isSuspect && handlers[job.claim.name]?.handler?.blocks == true

    private inner class Attempt<A : Any, R>(private val bound: BoundJob<A, R>, private val job: RunningJob) {
        private val type = bound.type
        private val claim = job.claim
        private val started = time.markNow()
        private var outcome: Outcome<R>? = null

        suspend fun run(): Completion? {
            if (claim.attempt > claim.maxAttempts) return Completion.Discarded(claim, Duration.ZERO, USED_UP)
            val args =
                try {
                    type.args.decode(claim.args)
                } catch (e: Exception) {
                    return undecodable(e)
                } catch (e: StackOverflowError) {
                    return undecodable(e)
                }
            val failure = tryHandling(args)
            val took = started.elapsedNow()
            (outcome as? Outcome.Written)?.let { return Completion.Settled(claim, took, Reason.WRITTEN_BY_HANDLER) }
            return when (val interruption = job.interruption) {
                is Interruption.LeaseLost -> null
                is Interruption.CancelledByUser -> Completion.Settled(claim, took, Reason.CANCELLED)
                is Interruption.WorkerStopping ->
                    if (failure == null) completionOf(outcome!!, took) else Completion.Released(claim, took)
                is Interruption.TimedOut -> afterFailure(interruption, took)
                null -> if (failure == null) completionOf(outcome!!, took) else afterFailure(failure, took)
            }
        }

        private suspend fun tryHandling(args: A): Throwable? = try {
            if (type.timeout.isInfinite()) handle(args) else withTimer { handle(args) }
            null
        } catch (e: Throwable) {
            currentCoroutineContext().ensureActive()
            if (e is VirtualMachineError && e !is StackOverflowError) onFatalError(e)
            e
        }

        private suspend fun handle(args: A): Unit = CurrentJob.during(claim.id.value, claim.name) {
            coroutineScope {
                job.entered(coroutineContext.job)
                val handler = checkNotNull(bound.handler)
                // On a thread that may block is the handler; what it launches is where the worker's other handlers are.
                val scope = if (handler.blocks) this + dispatcher else this
                outcome = with(handler) { ClaimedJobScope(claim, scope).work(args) }
            }
        }

        private suspend fun withTimer(block: suspend () -> Unit): Unit = coroutineScope {
            val timer =
                launch(dispatcher) {
                    delay(type.timeout)
                    job.interrupt(Interruption.TimedOut(type.timeout))
                }
            try {
                block()
            } finally {
                timer.cancel()
            }
        }

        private fun undecodable(e: Throwable): Completion {
            val text = "The args of job \"${claim.name}\" cannot be decoded by ${type.args}"
            return Completion.Discarded(claim, Duration.ZERO, errorText(ArgsDecodingException(text, e)))
        }

        private fun completionOf(outcome: Outcome<R>, took: Duration): Completion = when (outcome) {
            is Outcome.Done -> succeeded(outcome.result, took)
            is Outcome.Snoozed -> Completion.Snoozed(claim, took, inTheCalendar(outcome.delay))
            is Outcome.Discarded ->
                Completion.Discarded(claim, took, "Discarded by its handler: ${storable(outcome.reason)}")
            Outcome.Written -> Completion.Settled(claim, took, Reason.WRITTEN_BY_HANDLER)
        }

        private fun succeeded(result: R, took: Duration): Completion = try {
            Completion.Succeeded(claim, took, type.result.storedText(result))
        } catch (e: Exception) {
            val text = "The result of job \"${claim.name}\" cannot be stored"
            afterFailure(IllegalStateException(text, e), took)
        }

        private fun afterFailure(cause: Throwable, took: Duration): Completion {
            val error = errorText(cause)
            if (claim.attempt >= claim.maxAttempts) return Completion.Discarded(claim, took, error)
            return when (val decision = decide(Failure(cause, claim.attempt))) {
                is After -> Completion.Failed(claim, took, error, inTheCalendar(decision.delay))
                is GiveUp -> Completion.Discarded(claim, took, "Given up: ${storable(decision.reason)}\n$error")
            }
        }

        /** Longer is for ever, and no date that a store could write. */
        private fun inTheCalendar(delay: Duration) = delay.coerceAtMost(CENTURY)

        /** A reason is the user's text: what cannot be stored of it must not keep the job from ending. */
        private fun storable(reason: String) = storable(reason, MAX_ERROR_CHARACTERS)

        /** The policy is the user's code: what it throws or mistakes must not lose the job. */
        private fun decide(failure: Failure): RetryDecision {
            val decision =
                try {
                    type.retry.decide(failure)
                } catch (e: Exception) {
                    log.warn("The retry policy of job \"{}\" failed; waiting by the default one", claim.name, e)
                    return RetryPolicy.Default.decide(failure)
                }
            if (decision !is After || (!decision.delay.isNegative() && decision.delay.isFinite())) return decision
            log.warn("The retry policy of job \"{}\" said {}; waiting by the default one", claim.name, decision)
            return RetryPolicy.Default.decide(failure)
        }
    }

    private fun unknown(claim: ClaimedJob): Completion {
        val problem =
            UnknownJobException(
                "No handler for job \"${claim.name}\" (id ${claim.id}) in this worker, " +
                    "which knows ${handlers.keys.sorted()}. The job is tried again in $UNKNOWN_DELAY; " +
                    "its attempts are not used up",
            )
        log.warn(problem.message)
        return Completion.Snoozed(claim, Duration.ZERO, UNKNOWN_DELAY)
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
        val UNKNOWN_DELAY = 1.minutes
        const val USED_UP = "Its attempts are used up; the end of the last one could not be written, as it says"
    }
}
