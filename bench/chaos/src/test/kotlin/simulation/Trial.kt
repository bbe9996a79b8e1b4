package simulation

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.JobSnapshot
import kittiwake.job.JobState
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.Cancellation
import kittiwake.store.Completion
import kittiwake.store.JobStore
import kotlin.time.Duration
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.days

/** A store under trial: takes steps, and gives answers in which nothing is left that may differ from store to store. */
@OptIn(KittiwakeSpi::class)
class Trial(private val store: JobStore, private val anHourPasses: () -> Unit) {
    private val jobs = mutableListOf<JobId>()
    private val claims = mutableListOf<ClaimedJob>()
    private val workers = mutableMapOf<Int, WorkerId>()
    private val cancelled = mutableSetOf<JobId>()

    /** They may have been given up: such an id is not used again. */
    private val doubtful = mutableSetOf<WorkerId>()

    suspend fun take(step: Step): String = when (step) {
        is Step.Insert -> insert(step)
        is Step.Join -> join(step)
        is Step.Claim -> by(step.worker) { claim(it, step.queue, step.limit) }
        is Step.End -> by(step.worker) { end(it, these(step.claims, ::endOf)) }
        is Step.PutBack -> by(step.worker) { putBack(it, these(step.claims, ::returnOf)) }
        is Step.Announce -> claims.back(step.claim)?.let { "${store.announce(it)}" } ?: NOTHING
        is Step.Beat -> by(step.worker) { beat(it, step.jobs) }
        is Step.Leave -> by(step.worker) { leave(it) }
        is Step.Stop -> by(step.worker) { "${store.stop(it)}" }
        is Step.Rescue -> rescue(step.silentFor)
        is Step.Cancel -> jobs.back(step.job)?.let { cancel(it) } ?: NOTHING
        is Step.Promote -> store.promote(step.queue, 100).let { "${it.moved}, next in ${it.nextDueIn?.rounded()}" }
        is Step.Find -> jobs.back(step.job)?.let { store.find(it)?.told() } ?: NOTHING
        is Step.TakeTurn -> "${store.takeTurn(step.task, Step.A_MOMENT)}"
        Step.AnHourPasses -> "".also { anHourPasses() }
    }

    /** Everything that can be seen when it is over. */
    suspend fun all(): List<String> = jobs.map { "${store.find(it)?.told()}" }

    private suspend fun insert(step: Step.Insert): String =
        store.insert(step.jobs.mapIndexed { i, form -> form.toJob(jobs.size + i) }).joinToString {
            if (it.isNew) jobs += it.id
            "${it.id.told()} ${it.isNew}"
        }

    private suspend fun join(step: Step.Join): String {
        val again = workers[step.worker]?.takeIf { it !in doubtful || store.beat(it, emptySet()).alive }
        val id = again ?: step.id.also { workers[step.worker] = it }
        store.join(id, "worker ${step.worker}", setOf(QueueName("a")), lease = if (step.worker == 0) 30.days else ZERO)
        return "${again != null}"
    }

    /** Tickets of cancelled jobs may take up places of a claim; a store is free to throw them away in one go or later. */
    private suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): String {
        val claimed = mutableListOf<ClaimedJob>()
        var triesLeft = cancelled.size + 1
        while (claimed.size < limit && triesLeft-- > 0) claimed += store.claim(worker, queue, limit - claimed.size)
        claims += claimed
        return claimed.joinToString {
            "${it.id.told()} ${it.name} attempt ${it.attempt} priority ${it.priority} ${it.args} ${it.metadata} ${it.crashes}"
        }
    }

    private suspend fun beat(worker: WorkerId, running: List<Int>): String {
        val pulse = store.beat(worker, running.mapNotNullTo(mutableSetOf()) { jobs.back(it) })
        if (!pulse.alive) return "dead"
        return "alive ${pulse.stopRequested} ${pulse.cancelled.map { it.told() }.sorted()}"
    }

    private suspend fun leave(worker: WorkerId): String {
        store.leave(worker)
        doubtful += worker
        return ""
    }

    private suspend fun rescue(silentFor: Duration?): String = store
        .rescue(silentFor, 1_000)
        .also { doubtful += workers.values }
        .map { "${it.id.told()} ${it.name} ${it.queue} attempt ${it.attempt} ${it.discarded}" }
        .sorted()
        .joinToString()

    private suspend fun cancel(id: JobId): String = when (val answer = store.cancel(id)) {
        Cancellation.Cancelled -> "cancelled".also { cancelled += id }
        is Cancellation.AlreadyEnded -> "${answer.ending}"
        Cancellation.NotFound -> "not found"
    }

    private suspend fun by(worker: Int, act: suspend (WorkerId) -> String): String =
        workers[worker]?.let { act(it) } ?: NOTHING

    private fun <C : Completion> these(indexes: List<Int>, completion: (ClaimedJob, Int) -> C): List<C> = indexes
        .mapNotNull { claims.back(it) }
        .distinctBy { it.id }
        .map { completion(it, claims.indexOf(it)) }

    private suspend fun end(worker: WorkerId, jobs: List<Completion.End>) = lost(worker, jobs, store.end(worker, jobs))

    private suspend fun putBack(worker: WorkerId, jobs: List<Completion.Return>) =
        lost(worker, jobs, store.putBack(worker, jobs))

    private suspend fun lost(worker: WorkerId, jobs: List<Completion>, lost: Set<JobId>): String {
        val completed = store.completedAnyway(worker, jobs.map { it.claim })
        return "lost ${lost.map { it.told() }.sorted()}, completed ${completed.map { it.told() }.sorted()}"
    }

    private fun JobId.told(): String = "#${jobs.indexOf(this)}"

    private fun JobSnapshot.told(): String {
        val state =
            when (val state = state) {
                is JobState.Ended -> "${state.ending}"
                is JobState.Running -> "running at ${workers.entries.find { it.value == state.worker }?.key}"
                is JobState.Scheduled -> "scheduled"
                JobState.Ready -> "ready"
            }
        val known = listOf(id.told(), name, queue, priority, args, metadata, state, attempts, maxAttempts, result)
        return "$known ${failures.map { "${it.attempt}: ${it.error.take(FIRST_WORDS)}" }}"
    }

    private fun Duration.rounded() = (inWholeMinutes + 15) / 30

    private fun <T> List<T>.back(index: Int): T? = getOrNull(size - 1 - index)

    private companion object {
        const val NOTHING = "nothing to do"
        const val FIRST_WORDS = 40
    }
}
