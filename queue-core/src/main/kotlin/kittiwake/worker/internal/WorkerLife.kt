package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.internal.CurrentJob
import kittiwake.internal.blockingDispatcher
import kittiwake.job.ClaimedJob
import kittiwake.job.Interruption
import kittiwake.job.Retention
import kittiwake.job.WorkerId
import kittiwake.store.Completion
import kittiwake.store.JobStore
import kittiwake.worker.BoundJob
import kittiwake.worker.WorkerConfig
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineExceptionHandler
import kotlinx.coroutines.CoroutineName
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.job
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull
import kotlin.coroutines.ContinuationInterceptor
import kotlin.coroutines.CoroutineContext
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeSource

/**
 * One life of a worker, under one id: from joining to leaving, or to the moment it learns that it was given up for
 * dead.
 *
 * Two scopes: *intake* (wake-ups, claim loops, upkeep) dies at once when the caller cancels; *work* (handlers) outlives
 * it, and the completer and the heartbeat outlive the work. So shutdown runs down the pipeline in flow order.
 */
@OptIn(KittiwakeSpi::class)
internal class WorkerLife(
    private val config: WorkerConfig,
    private val store: JobStore,
    handlers: Map<String, BoundJob<*, *>>,
    private val telling: Telling,
    private val retentions: Set<Retention>,
    private val time: TimeSource.WithComparableMarks,
    private val random: Random,
    private val handlersRunOn: CoroutineContext,
) {
    private val id = WorkerId.random(random)
    private val membership = Membership(id, config, store, random)
    private val running = RunningJobs()
    private val ended = CompletableDeferred<End>()
    private val bells = Bells(config.queues.map { it.name })
    private val slots = config.queues.associate { it.name to Slots(it.concurrency, it.prefetch, time) }
    private val places = slots.mapValues { (queue, _) -> CoroutineName("kittiwake $queue") + CurrentJob() }
    private val suspects = Suspects(store, random)
    private val dispatcher = checkNotNull(handlersRunOn[ContinuationInterceptor]) { "Handlers need a dispatcher" }
    private val runner = JobRunner(handlers, time, dispatcher) { ended.completeExceptionally(it) }
    private val completer =
        Completer(id, store, config.lease, time, random, telling::written, telling::lost, onGivenUp = ::lost)
    private val heartbeat =
        Heartbeat(
            id, store, config.heartbeatEvery, config.lease, running, time, random,
            onStopRequested = { ended.complete(End.STOPPED) },
            onLost = ::lost,
        )

    @Volatile
    private var isLost = false

    @Volatile
    private var isRefused = false

    private fun lost() {
        isLost = true
        ended.complete(End.LOST)
    }

    /** Lives until the caller cancels it, somebody stops it, or it is given up for dead. */
    suspend fun live(): End {
        membership.join()
        heartbeat.begin()
        val onDefect = CoroutineExceptionHandler { _, e -> ended.completeExceptionally(e) }
        val work = CoroutineScope(handlersRunOn.minusKey(Job) + onDefect + SupervisorJob())
        val records = CoroutineScope(currentCoroutineContext().minusKey(Job) + onDefect + SupervisorJob())
        val releases =
            CoroutineScope(records.coroutineContext + SupervisorJob(records.coroutineContext.job) + store.engine)
        val completing = records.launch(store.engine) { completer.run() }
        records.launch(store.pulse) { heartbeat.run() }
        try {
            return coroutineScope {
                val intake = launch(store.engine) { takeIn(work, releases) }
                ended.await().also { intake.cancel() }
            }
        } finally {
            withContext(NonCancellable) {
                drain(work, records, releases, completing)
                records.cancel()
            }
        }
    }

    private suspend fun takeIn(work: CoroutineScope, releases: CoroutineScope): Unit = Intake(
        id, config, store, retentions, slots, bells, time, random,
        healthySince = { heartbeat.healthySince },
        onRescued = telling::rescued,
        open = { queue -> work.open(places.getValue(queue), slots.getValue(queue)) },
        giveBack = { claims -> releases.launch { release(claims) } },
    ).run()

    /** Works what waits, one job after another, in one coroutine. */
    private fun CoroutineScope.open(place: CoroutineContext, slots: Slots) {
        launch(place) {
            var job = slots.enter { this@open.open(place, slots) }?.let(running::begin)
            while (job != null) {
                job = if (runner.blocks(job)) workOnBlockingThread(job, slots) else following(job, slots)
            }
        }.invokeOnCompletion { if (it is CancellationException) refused(it) }
    }

    /** Only a dispatcher that refuses work cancels a place while the worker lives: nobody would come for what waits. */
    private fun refused(e: CancellationException) {
        isRefused = true
        ended.completeExceptionally(IllegalStateException("$dispatcher, which handlers run on, takes no more work", e))
    }

    /**
     * What blocks moves to its thread for a while, not for each job: to move there is most of what it costs to start one.
     * Not for ever: a virtual thread that never waits would leave no turn to the others.
     */
    private suspend fun workOnBlockingThread(first: RunningJob, slots: Slots): RunningJob? =
        withContext(blockingDispatcher) {
            val begun = time.markNow()
            var job: RunningJob? = first
            while (job != null && runner.blocks(job) && begun.elapsedNow() < TURN) job = following(job, slots)
            job
        }

    /** Works [job], and has what waited for its place. */
    private suspend fun following(job: RunningJob, slots: Slots): RunningJob? {
        val took = work(job)
        return slots.next(took)?.let(running::begin)
    }

    /** How long it took, unless it did not run or is no longer ours. */
    private suspend fun work(job: RunningJob): Duration? {
        if (!job.start()) return null
        val completion =
            try {
                if (job.claim.isSuspect) suspects.inTurn(job) { run(it) } else run(job)
            } finally {
                running.end(job)
            }
        if (completion == null) telling.lost(job.claim) else completer.submit(completion)
        return completion?.took
    }

    private suspend fun run(job: RunningJob): Completion? {
        telling.started(job.claim)
        return runner.run(job)
    }

    /** In flow order: what waits, what runs, what is to be written, what keeps the claims. */
    private suspend fun drain(
        work: CoroutineScope,
        records: CoroutineScope,
        releases: CoroutineScope,
        completing: Job,
    ) {
        val isInGoodOrder = isRefused || !ended.isCancelled
        if (isInGoodOrder) records.launch(store.engine) { membership.announceStop() }
        val prefetched = slots.values.flatMap { it.clear() }
        releases.launch { if (!isLost) membership.returnHandedOver() }
        releases.launch { if (!isLost) release(prefetched) }
        if (isLost) {
            running.interruptAll { Interruption.LeaseLost() }
        } else {
            suspects.release()
            withTimeoutOrNull(config.shutdownGrace) { work.childrenEnd() }
            running.interruptAll { Interruption.WorkerStopping() }
        }
        val stopped = withTimeoutOrNull(config.cancelGrace) { work.childrenEnd() } != null
        val idle = if (stopped) emptyList() else abandon()
        work.cancel()
        val flushed =
            withTimeoutOrNull(config.lease) {
                releases.childrenEnd()
                release(idle)
                completer.close()
                completing.join()
            } != null
        completer.close()
        if (stopped && flushed && !isLost) membership.leave()
    }

    /**
     * Goes on without those that do not stop. Their claims are not given back while their code may run. Those that no
     * thread was free for never ran: they are what is returned.
     */
    private fun abandon(): List<ClaimedJob> {
        val (idle, stuck) = running.left().partition { it.withdraw() }
        stuck.forEach { telling.abandoned(it.claim) }
        return idle.map { it.claim }
    }

    /** It waits while the database does not keep up. */
    private suspend fun release(claims: List<ClaimedJob>) {
        for (claim in claims) {
            if (isLost) telling.lost(claim) else completer.submit(Completion.Released(claim, Duration.ZERO))
        }
    }

    private suspend fun CoroutineScope.childrenEnd() {
        coroutineContext[Job]!!.children.toList().joinAll()
    }

    enum class End { STOPPED, LOST }

    private companion object {
        val TURN = 50.milliseconds
    }
}
