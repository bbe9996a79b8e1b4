package chaos.check

import chaos.history.Change.Kind
import chaos.history.History
import chaos.plan.FaultKind
import chaos.work.Deed

/** K11: a job that ran again had a reason to. */
class ExplainedDuplicates : Check {
    override val id = "K11"
    override val guards = listOf("G7", "G10", "G22")
    override val claim = "Every further execution of a job has a cause, and two at a time only after a rescue"

    override fun examine(history: History): Finding {
        val claims = history.claims()
        val executions = history.executions()
        val causes = sortedMapOf<String, Int>()
        val broken =
            executions.flatMap { (job, all) ->
                val byLease = claims[job].orEmpty().withIndex().associateBy { it.value.lease }
                val (known, unclaimed) = all.partition { it.began.lease in byLease }
                val runs =
                    known
                        .sortedBy { byLease.getValue(it.began.lease).index }
                        .map { Run(it, byLease.getValue(it.began.lease).value) }
                val faults =
                    unclaimed.map { "began in lease ${it.began.lease}, in which nobody claimed it" } +
                        runs.zipWithNext { run, next -> faultOf(history, run, next, causes) }.filterNotNull() +
                        runs.zipWithNext().filter { (run, next) -> overlap(run, next) }.map { (run, next) ->
                            "ran in ${run.process} until ${run.execution.over?.at}, and in ${next.process} " +
                                "from ${next.execution.began.at}, without a rescue"
                        }
                faults.map { broken(it, job) }
            }
        val all = executions.values.sumOf { it.size }
        val figures = mapOf("executions" to "$all", "duplicates" to "${all - executions.size}")
        return Finding(broken, figures = figures + causes.map { (cause, n) -> "duplicates: $cause" to "$n" })
    }

    private class Run(val execution: Execution, val claim: Claim) {
        val process: String get() = execution.process
    }

    private fun faultOf(history: History, run: Run, next: Run, causes: MutableMap<String, Int>): String? {
        if (run.claim === next.claim) return "began twice in lease ${run.claim.lease}"
        val cause =
            when (run.claim.over?.kind) {
                Kind.RESCUED -> rescued(history, run)
                Kind.PUT_BACK -> "given back"
                Kind.FAILED -> failed(history, run) ?: return "failed in ${run.claim}, although its handler returned"
                else -> return "ran again after ${run.claim}, which ended as ${run.claim.over?.kind}"
            }
        causes.merge(cause, 1, Int::plus)
        return null
    }

    private fun rescued(history: History, run: Run): String {
        val rescue = run.claim.over!!.at
        val faults = history.faults.filter {
            it.fault.kind in silencing &&
                it.struck(run.process, run.claim.made.at, rescue)
        }
        val fault = faults.firstOrNull { it.fault.target != null } ?: faults.firstOrNull()
        return when {
            run.execution.isCutOff -> "its process died"
            fault != null -> "lease lost: ${fault.fault.kind.says}"
            else -> "lease lost"
        }
    }

    /** An attempt fails by what its handler does, by its timeout, or because its transaction could not be committed. */
    private fun failed(history: History, run: Run): String? {
        val deed = Deed.of(history.byJob[run.claim.job]?.enqueued?.name)
        val returned = run.execution.over?.let { it.thrown == null } ?: false
        return when {
            !returned || deed == null || deed in mayTimeOut -> "the attempt failed"
            deed.isTransactional -> "its transaction was not committed"
            else -> null
        }
    }

    private fun overlap(run: Run, next: Run): Boolean {
        val over = run.execution.over ?: return false
        return next.execution.began.at < over.at && run.claim.over?.kind != Kind.RESCUED
    }

    private companion object {
        /** What may keep a worker from a sign of life. */
        val silencing =
            FaultKind.entries - setOf(FaultKind.HOLD_SNAPSHOT, FaultKind.NO_NOTIFICATIONS, FaultKind.CUT_BEFORE_COMMIT)
        val mayTimeOut = setOf(Deed.LATE, Deed.STUBBORN)
    }
}
