package simulation

import chaos.plan.Fault
import chaos.plan.FaultKind
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** All that a seed decides before anything happens. Each seed enables only some of what can go wrong. */
class Scenario(
    val seed: Long,
    val lease: Duration,
    val heartbeatEvery: Duration,
    val pollEvery: Duration,
    val rescueEvery: Duration,
    val shutdownGrace: Duration,
    val cancelGrace: Duration,
    val nodes: Int,
    val concurrency: Int,
    val prefetch: Int?,
    val jobs: Int,
    val chaos: Duration,
    val plan: List<Fault>,
) {
    val timeouts = Network.Timeouts(pool = lease / 2, heart = lease / 6, statement = lease / 3)

    fun without(fault: Fault): Scenario = Scenario(
        seed, lease, heartbeatEvery, pollEvery, rescueEvery, shutdownGrace, cancelGrace, nodes, concurrency, prefetch,
        jobs, chaos, plan - fault,
    )

    override fun toString(): String =
        "seed $seed: $jobs jobs, $nodes nodes × $concurrency + ${prefetch ?: "as needed"}, lease $lease, heartbeat " +
            "every $heartbeatEvery, poll every $pollEvery, faults:" +
            plan.joinToString("") { "\n  ${it.after} ${it.kind} ${it.target ?: "server"} for ${it.lasts}" }

    companion object {
        private val KINDS =
            listOf(
                FaultKind.KILL, FaultKind.PAUSE, FaultKind.RESTART, FaultKind.CRASH_SERVER, FaultKind.BLACKHOLE,
                FaultKind.BLACKHOLE_IN, FaultKind.BLACKHOLE_OUT, FaultKind.DELAY, FaultKind.CUT_BEFORE_COMMIT,
                FaultKind.CUT_AFTER_COMMIT, FaultKind.READ_ONLY, FaultKind.NO_NOTIFICATIONS, FaultKind.CPU_HOG,
                FaultKind.STATEMENT_TIMEOUT,
            )
        private val OF_ONE_NODE =
            setOf(
                FaultKind.KILL, FaultKind.PAUSE, FaultKind.RESTART, FaultKind.BLACKHOLE, FaultKind.BLACKHOLE_IN,
                FaultKind.BLACKHOLE_OUT, FaultKind.CPU_HOG,
            )

        fun of(seed: Long): Scenario {
            val dice = Random(seed)
            val lease = listOf(2, 3, 6).random(dice).seconds
            val nodes = dice.nextInt(2, 5)
            val chaos = lease * dice.nextInt(3, 10)
            val kinds = KINDS.shuffled(dice).take(dice.nextInt(1, 6))
            val plan = List(dice.nextInt(1, 10)) { fault(kinds.random(dice), lease, nodes, chaos, dice) }
            return Scenario(
                seed, lease,
                heartbeatEvery = lease / listOf(3, 6).random(dice),
                pollEvery = lease / listOf(3, 4, 10).random(dice),
                rescueEvery = lease / 3,
                shutdownGrace = lease / listOf(1, 10).random(dice),
                cancelGrace = lease / 6,
                nodes,
                concurrency = listOf(1, 3, 8).random(dice),
                prefetch = listOf(6, 0, null)[dice.nextInt(3)],
                jobs = dice.nextInt(30, 120),
                chaos, plan.sortedBy { it.after },
            )
        }

        private fun fault(kind: FaultKind, lease: Duration, nodes: Int, chaos: Duration, dice: Random) = Fault(
            kind,
            after = whole(chaos * dice.nextDouble()),
            lasts = whole(lease * (0.5 + 3.5 * dice.nextDouble() * dice.nextDouble())),
            target = if (kind in OF_ONE_NODE) "worker-${dice.nextInt(nodes)}" else null,
        )

        private fun whole(time: Duration) = time.inWholeMilliseconds.milliseconds
    }
}
