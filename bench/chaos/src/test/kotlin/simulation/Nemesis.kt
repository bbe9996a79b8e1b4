package simulation

import chaos.plan.Fault
import chaos.plan.FaultKind
import chaos.plan.FaultKind.BLACKHOLE
import chaos.plan.FaultKind.BLACKHOLE_IN
import chaos.plan.FaultKind.BLACKHOLE_OUT
import chaos.plan.FaultKind.CPU_HOG
import chaos.plan.FaultKind.CRASH_SERVER
import chaos.plan.FaultKind.CUT_AFTER_COMMIT
import chaos.plan.FaultKind.CUT_BEFORE_COMMIT
import chaos.plan.FaultKind.DELAY
import chaos.plan.FaultKind.KILL
import chaos.plan.FaultKind.NO_NOTIFICATIONS
import chaos.plan.FaultKind.PAUSE
import chaos.plan.FaultKind.READ_ONLY
import chaos.plan.FaultKind.RESTART
import chaos.plan.FaultKind.STATEMENT_TIMEOUT
import chaos.plan.Injected
import kotlin.time.Instant

/** Does to the cluster what the plan says, and takes it back. */
class Nemesis(private val cluster: Cluster) {
    private class Struck(val fault: Fault, val from: Instant, val node: Node?)

    private val active = mutableListOf<Struck>()
    val injected = mutableListOf<Injected>()

    fun start(plan: List<Fault>) {
        plan.forEach { fault -> cluster.world.after(fault.after) { strike(fault) } }
    }

    /** All is well again. */
    fun heal() {
        active.toList().forEach(::takeBack)
    }

    private fun strike(fault: Fault) {
        val struck = Struck(fault, cluster.world.now, fault.target?.let { cluster.nodes[it] })
        cluster.world.tell("nemesis") { "${fault.kind} ${fault.target.orEmpty()} for ${fault.lasts}" }
        active += struck
        when (fault.kind) {
            KILL -> struck.node?.crash()
            RESTART -> struck.node?.stop()
            PAUSE -> struck.node?.pause()
            CPU_HOG -> struck.node?.slowDown(HOGGED)
            else -> Unit
        }
        apply()
        cluster.world.after(fault.lasts) { if (struck in active) takeBack(struck) }
    }

    private fun takeBack(struck: Struck) {
        active -= struck
        cluster.world.tell("nemesis") { "${struck.fault.kind} ${struck.fault.target.orEmpty()} is over" }
        injected += Injected(struck.fault, struck.from, cluster.world.now, strikes = 1)
        when (struck.fault.kind) {
            PAUSE -> struck.node?.resume()
            CPU_HOG -> struck.node?.slowDown(1)
            CRASH_SERVER -> cluster.hints.reconnected()
            else -> Unit
        }
        apply()
    }

    /** What several faults do at once is the sum of them. */
    private fun apply() {
        fun isOn(kind: FaultKind) = active.any { it.fault.kind == kind }

        fun often(kind: FaultKind, odds: Double) = if (isOn(kind)) odds else 0.0

        val network = cluster.network
        network.isDown = isOn(CRASH_SERVER)
        network.isReadOnly = isOn(READ_ONLY)
        network.odds = Odds(
            lostBefore = often(CUT_BEFORE_COMMIT, 0.2),
            lostAfter = often(CUT_AFTER_COMMIT, 0.2),
            late = often(DELAY, 0.2),
            silent = often(STATEMENT_TIMEOUT, 0.1),
        )
        cluster.hints.loss = often(NO_NOTIFICATIONS, 1.0)
        for (node in cluster.nodes.values) {
            val kinds = active.filter { it.node == node }.map { it.fault.kind }
            node.link.isCutThere = BLACKHOLE in kinds || BLACKHOLE_OUT in kinds
            node.link.isCutBack = BLACKHOLE in kinds || BLACKHOLE_IN in kinds
        }
    }

    private companion object {
        const val HOGGED = 50
    }
}
