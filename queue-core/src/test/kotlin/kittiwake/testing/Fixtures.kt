package kittiwake.testing

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.JobName
import kittiwake.job.QueueName
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.store.Completion
import kittiwake.store.JobStore
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Instant

/** The queue that jobs of the fixtures wait in unless they say otherwise. */
val images = QueueName("images")

/** A job as it goes into a store. */
@OptIn(KittiwakeSpi::class)
fun aJob(
    name: String = "resize",
    queue: QueueName = images,
    priority: Int = 0,
    args: String = "{}",
    maxAttempts: Int = 20,
    delay: Duration? = null,
    runAt: Instant? = null,
    expectedAt: Instant? = null,
    uniqueKey: String? = null,
    parent: JobId? = null,
    metadata: String? = null,
    retention: Retention? = null,
): NewJob = NewJob(
    JobName(name),
    queue,
    priority,
    args,
    maxAttempts,
    delay,
    runAt,
    expectedAt,
    uniqueKey,
    parent,
    metadata,
    retention,
)

private val somebody = WorkerId.random()

/** A claim as a store hands it over, always of the same worker. */
@OptIn(KittiwakeSpi::class)
fun aClaim(id: Long = 1, lease: Long = 1): ClaimedJob = ClaimedJob(
    JobId(id), lease, somebody, attempt = 1, name = "resize", queue = images, priority = 0, args = "{}",
    maxAttempts = 20, enqueuedAt = Instant.fromEpochSeconds(0), parent = null, metadata = null, crashes = 0,
)

/** A worker of its own that has joined [store]. */
@OptIn(KittiwakeSpi::class)
suspend fun aWorkerOf(store: JobStore): WorkerId = WorkerId.random().also { store.join(it, "a worker", setOf(images)) }

@OptIn(KittiwakeSpi::class)
suspend fun JobStore.insertOne(job: NewJob = aJob()): JobId = insert(listOf(job)).single().id

@OptIn(KittiwakeSpi::class)
suspend fun JobStore.oneClaimedBy(worker: WorkerId): ClaimedJob = claim(worker, images, 1).single()

@OptIn(KittiwakeSpi::class)
fun succeeded(claim: ClaimedJob, result: String? = null): Completion.End =
    Completion.Succeeded(claim, 5.milliseconds, result)

@OptIn(KittiwakeSpi::class)
fun discarded(claim: ClaimedJob): Completion.End = Completion.Discarded(claim, 5.milliseconds, "no use")

@OptIn(KittiwakeSpi::class)
fun failed(claim: ClaimedJob, delay: Duration = Duration.ZERO): Completion.Return =
    Completion.Failed(claim, 5.milliseconds, "it broke", delay)

@OptIn(KittiwakeSpi::class)
fun snoozed(claim: ClaimedJob, delay: Duration): Completion.Return = Completion.Snoozed(claim, 5.milliseconds, delay)

@OptIn(KittiwakeSpi::class)
fun released(claim: ClaimedJob): Completion.Return = Completion.Released(claim, Duration.ZERO)
