package chaos.check

import chaos.history.Change.Kind.COMPLETED
import chaos.history.Change.Kind.ENQUEUED
import chaos.history.Entry.Settled
import chaos.history.History
import chaos.history.Outcome
import chaos.plan.FaultKind
import chaos.plan.Injected
import kotlinx.serialization.Serializable
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant

/** How long it took to recover from all faults of one kind, and how long it may take when nothing else goes wrong. */
@Serializable
data class RecoveryTime(
    val kind: FaultKind,
    val samples: Int,
    val p50: Duration,
    val p95: Duration,
    val max: Duration,
    val bound: Duration,
)

/**
 * Measures recovery: for a killed process from its death until all that it held is free again, for everything else from
 * the end of the fault until an affected process gets something done.
 *
 * A fault that falls into the time of another's recovery starts that over: the deadline moves to its end and the bound.
 */
internal class RecoveryTimes(private val history: History) {
    /** [took] is null when it never recovered. */
    class Sample(
        val fault: Injected,
        val what: String,
        val took: Duration?,
        val deadline: Instant,
        val job: Long? = null,
    ) {
        val isLate: Boolean get() = took == null || fault.start + took > deadline
    }

    private val settings = history.settings
    private val processes = history.processes()
    private val claims = history.claims().values.flatten().groupBy { processes[it.worker] }
    private val progress: Map<String, List<Instant>> = progress()
    private val enqueued = history.changes.filter { it.kind == ENQUEUED }.map { it.at }.sorted()
    private val ended = history.changes.filter { it.kind.isEnd }.map { it.at }.sorted()

    val samples: List<Sample> = history.faults
        .filter {
            it.isDone
        }.flatMap { if (it.isDeath) death(it) else revival(it) }

    val times: List<RecoveryTime> =
        samples.groupBy { it.fault.fault.kind }.mapNotNull { (kind, samples) ->
            val times = samples.mapNotNull { it.took }.sorted()
            if (times.isEmpty()) return@mapNotNull null
            RecoveryTime(kind, times.size, times.at(50), times.at(95), times.last(), bound(kind))
        }

    fun bound(kind: FaultKind): Duration {
        val own = settings.lease + settings.rescueEvery * 1.1 + settings.pollEvery * 1.1
        val slack = if (kind == FaultKind.KILL) SLACK_OF_RESCUE else SLACK_OF_RETURN
        return if (kind == FaultKind.CRASH_SERVER) own + settings.lease + slack else own + slack
    }

    private fun death(fault: Injected): List<Sample> {
        val held = claims[fault.fault.target].orEmpty().filter { it.isOpenAt(fault.from) }
        val last = held.maxByOrNull { it.over?.at ?: Instant.DISTANT_FUTURE } ?: return emptyList()
        val took = last.over?.let { it.at - fault.from }
        return listOf(Sample(fault, "what ${fault.fault.target} held", took, deadline(fault), last.job))
    }

    private fun revival(fault: Injected): List<Sample> {
        val deadline = deadline(fault)
        val affected = fault.fault.target?.let { setOf(it) } ?: processes.values.toSet()
        return affected.mapNotNull { process ->
            val next = progress[process].orEmpty().let { it.getOrNull(it.countBefore(fault.until)) }
            val took = next?.let { it - fault.until }
            val isLate = next == null || next > deadline
            // Who had nothing to do has not failed to do it.
            if (isLate && !hadWork(process, fault.until, deadline)) return@mapNotNull null
            Sample(fault, process, took, deadline)
        }
    }

    /** There was work when it should have been back: others did some lately, or nobody did what had been there before. */
    private fun hadWork(process: String, from: Instant, until: Instant): Boolean {
        // Producers stop when the faults do.
        if (until > settings.healedAt && process !in claims.keys) return false
        val doneByOthers = ended.countBefore(until) - ended.countBefore(maxOf(from, until - LATELY))
        val backlog = enqueued.countBefore(from) - ended.countBefore(until)
        return doneByOthers >= ENOUGH_WORK || backlog >= ENOUGH_WORK
    }

    private fun deadline(fault: Injected): Instant {
        val bound = bound(fault.fault.kind)
        return history.faults
            .filter { it !== fault && it.isDone }
            .sortedBy { it.from }
            .fold(fault.start + bound) { deadline, other ->
                if (other.from <= deadline &&
                    other.until >= fault.start
                ) {
                    maxOf(deadline, other.until + bound)
                } else {
                    deadline
                }
            }
    }

    private fun progress(): Map<String, List<Instant>> {
        val worked =
            history.changes
                .filter { it.kind == COMPLETED }
                .mapNotNull { change -> processes[change.worker]?.let { it to change.at } }
        val offered =
            history.journals.flatMap { (process, entries) ->
                val answers = entries.filterIsInstance<Settled>().filter { it.outcome == Outcome.COMMITTED }
                answers.map { process to it.at }
            }
        return (worked + offered).groupBy({ it.first }, { it.second }).mapValues { it.value.sorted() }
    }

    companion object {
        /** What a rescue may take beyond its periods: a dozen processes share the processors with the server. */
        val SLACK_OF_RESCUE = 10.seconds

        /**
         * What a process may take to come back: timeouts of the network (15 s), waits between tries (5 s), handlers of
         * its last life that do not stop, and the start of a JVM.
         */
        val SLACK_OF_RETURN = 30.seconds
        private const val ENOUGH_WORK = 20
        private val LATELY = 10.seconds

        private val Injected.isDeath get() = fault.kind == FaultKind.KILL && fault.target != null
        private val Injected.isDone get() = strikes > 0 || note == null
        private val Injected.start get() = if (isDeath) from else until

        private fun List<Duration>.at(percent: Int) = this[(size * percent / 100).coerceAtMost(lastIndex)]

        private fun List<Instant>.countBefore(at: Instant) = binarySearch { if (it < at) -1 else 1 }.inv()
    }
}
