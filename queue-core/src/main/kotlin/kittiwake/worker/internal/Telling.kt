package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kittiwake.job.ClaimedJob
import kittiwake.store.Completion
import kittiwake.store.Completion.Settled.Reason
import kittiwake.store.Rescued
import org.slf4j.LoggerFactory

/** Tells observers and the log what happened, after the fact. An observer that throws changes nothing. */
@OptIn(KittiwakeSpi::class)
internal class Telling(private val observers: List<JobObserver>) {
    fun started(claim: ClaimedJob) {
        if (observers.isNotEmpty()) tell(JobEvent.Started(claim))
    }

    fun written(completion: Completion) {
        val claim = completion.claim
        when (completion) {
            is Completion.Failed ->
                log.warn("{} failed, again in {}: {}", claim, completion.delay, kindOf(completion.error))
            is Completion.Discarded -> log.warn("{} is discarded: {}", claim, kindOf(completion.error))
            else -> log.trace("{}", completion)
        }
        if (observers.isNotEmpty()) tell(eventOf(completion, claim))
    }

    private fun eventOf(completion: Completion, claim: ClaimedJob): JobEvent = when (completion) {
        is Completion.Succeeded -> JobEvent.Completed(claim, completion.took)
        is Completion.Discarded -> JobEvent.Discarded(claim, completion.error)
        is Completion.Failed -> JobEvent.Failed(claim, completion.error, completion.delay)
        is Completion.Snoozed -> JobEvent.Snoozed(claim, completion.delay)
        is Completion.Released -> JobEvent.Released(claim)
        is Completion.Settled ->
            when (completion.reason) {
                Reason.WRITTEN_BY_HANDLER -> JobEvent.Completed(claim, completion.took)
                Reason.CANCELLED -> JobEvent.Cancelled(claim)
            }
    }

    fun lost(completion: Completion): Unit = lost(completion.claim)

    fun lost(claim: ClaimedJob) {
        log.warn("The claim on {} was lost; nothing of this attempt is written", claim)
        tell(JobEvent.LeaseLost(claim))
    }

    fun abandoned(claim: ClaimedJob) {
        log.warn("{} did not stop; its claim is not given back, and it runs again when the lease ends", claim)
        tell(JobEvent.Abandoned(claim))
    }

    fun rescued(rescued: Rescued) {
        if (rescued.discarded) {
            log.warn("Job {} \"{}\" is discarded: its workers fell silent too often", rescued.id, rescued.name)
        }
        tell(JobEvent.Rescued(rescued.id, rescued.name, rescued.queue, rescued.attempt))
    }

    private fun tell(event: JobEvent) {
        for (observer in observers) {
            try {
                observer.on(event)
            } catch (e: Exception) {
                log.warn("An observer failed on {}", event, e)
            }
        }
    }

    /** What an error is, without what it says: that may be personal data, and is kept with the attempt. */
    private fun kindOf(error: String): String = KIND.matchAt(error, 0)?.value ?: "an error"

    private companion object {
        /** What a stored error begins with: words of our own, or the class of an exception, before a colon. */
        val KIND = Regex("""(?:Given up|Discarded by its handler|(?:\w+\.)+[\w$]+)(?=:|\R|$)""")
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}
