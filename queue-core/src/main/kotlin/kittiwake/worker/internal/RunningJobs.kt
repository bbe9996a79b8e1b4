package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.Interruption
import kittiwake.job.JobId
import kotlinx.coroutines.Job
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ConcurrentMap

/** The jobs that were handed over to run, for whoever has to ask after them or stop them. */
@OptIn(KittiwakeSpi::class)
internal class RunningJobs(private val jobs: ConcurrentMap<JobId, RunningJob> = ConcurrentHashMap()) {
    /** A copy by iteration: `toSet()` asks for the size first, and fails when the only job ends in between. */
    val ids: Set<JobId> get() = jobs.keys.toCollection(mutableSetOf())

    @Volatile
    private var closing: (() -> Interruption)? = null

    fun begin(claim: ClaimedJob): RunningJob {
        val job = RunningJob(claim)
        jobs[claim.id] = job
        closing?.let { job.interrupt(it()) }
        return job
    }

    /** All that have not ended. */
    fun left(): List<RunningJob> = jobs.values.toList()

    fun end(job: RunningJob) {
        jobs.remove(job.claim.id, job)
    }

    fun interrupt(id: JobId, reason: Interruption) {
        jobs[id]?.interrupt(reason)
    }

    /** Interrupts all that run, and whatever still begins. */
    fun interruptAll(reason: () -> Interruption) {
        closing = reason
        jobs.values.forEach { it.interrupt(reason()) }
    }
}

/** One job at work, or about to be. The first reason to interrupt it is the one that counts. */
@OptIn(KittiwakeSpi::class)
internal class RunningJob(val claim: ClaimedJob) {
    private var scope: Job? = null
    private var isStarted = false
    private var isWithdrawn = false

    @Volatile
    var interruption: Interruption? = null
        private set

    /** Whether its handler may run: not when it was withdrawn before a thread was free for it. */
    fun start(): Boolean = synchronized(this) { !isWithdrawn.also { isStarted = !it } }

    /** Whether its handler has not run, and now never will. */
    fun withdraw(): Boolean = synchronized(this) { !isStarted.also { isWithdrawn = !it } }

    fun entered(job: Job) {
        synchronized(this) {
            scope = job
            interruption
        }?.let { job.cancel(it) }
    }

    fun interrupt(reason: Interruption) {
        synchronized(this) {
            if (interruption != null) return
            interruption = reason
            scope
        }?.cancel(reason)
    }
}
