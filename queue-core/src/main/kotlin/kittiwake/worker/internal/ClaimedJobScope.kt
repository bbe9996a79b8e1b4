package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobName
import kittiwake.job.JobScope
import kotlinx.coroutines.CoroutineScope
import kotlinx.serialization.json.Json

/** The [JobScope] of a claimed job. */
@OptIn(KittiwakeSpi::class)
internal class ClaimedJobScope(override val claim: ClaimedJob, scope: CoroutineScope) :
    JobScope,
    CoroutineScope by scope {
    override val id get() = claim.id
    override val name get() = JobName(claim.name)
    override val queue get() = claim.queue
    override val attempt get() = claim.attempt
    override val maxAttempts get() = claim.maxAttempts
    override val enqueuedAt get() = claim.enqueuedAt
    override val parent get() = claim.parent
    override val metadata: Map<String, String> by lazy(LazyThreadSafetyMode.NONE) {
        claim.metadata?.let { Json.decodeFromString<Map<String, String>>(it) }.orEmpty()
    }

    override fun toString(): String = claim.toString()
}
