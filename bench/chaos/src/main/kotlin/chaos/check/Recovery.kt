package chaos.check

import chaos.history.History

/** K12: what went wrong is over when it is over, within a bound. */
class Recovery : Check {
    override val id = "K12"
    override val guards = listOf("G9", "G17")
    override val claim = "What a dead process held is free, and whoever was disturbed works again, within the bound"

    override fun examine(history: History): Finding {
        val recovery = RecoveryTimes(history)
        val late =
            recovery.samples.filter { it.isLate }.map {
                val said = it.took?.let { took -> "after $took" } ?: "never"
                val fault = it.fault.fault
                broken("${fault.kind.id}, ${it.fault.from}: ${it.what} recovered $said, not by ${it.deadline}", it.job)
            }
        val figures =
            recovery.times.associate {
                it.kind.id to "${it.samples} times, p50 ${it.p50}, p95 ${it.p95}, max ${it.max}, bound ${it.bound}"
            }
        return Finding(late, figures = figures)
    }
}
