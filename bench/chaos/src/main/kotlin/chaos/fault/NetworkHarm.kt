package chaos.fault

import chaos.plan.Fault
import chaos.plan.FaultKind
import chaos.plan.FaultKind.BLACKHOLE
import chaos.plan.FaultKind.BLACKHOLE_IN
import chaos.plan.FaultKind.BLACKHOLE_OUT
import chaos.plan.FaultKind.CUT_AFTER_COMMIT
import chaos.plan.FaultKind.CUT_BEFORE_COMMIT
import chaos.plan.FaultKind.DELAY
import chaos.plan.FaultKind.RESET
import chaos.proxy.Proxy
import chaos.proxy.Strike
import chaos.proxy.Traffic
import chaos.proxy.Traffic.Moment
import kotlinx.coroutines.delay
import kotlin.time.Duration.Companion.milliseconds

/** What happens between a process and the server. */
internal class NetworkHarm(private val site: Site) : Harm {
    override val kinds: Set<FaultKind> =
        setOf(BLACKHOLE, BLACKHOLE_IN, BLACKHOLE_OUT, RESET, DELAY, CUT_BEFORE_COMMIT, CUT_AFTER_COMMIT)

    override suspend fun inflict(fault: Fault): Struck {
        val proxy = site.seat(fault.target).proxy
        val before = proxy.strikes()
        when (fault.kind) {
            RESET -> during(fault.lasts, RESET_EVERY) { proxy.reset() }
            else -> through(proxy, traffic(fault), fault)
        }
        val counts = proxy.strikes().mapValues { (strike, count) -> count - before.getValue(strike) }
        val ours = counts.filterKeys { it in STRIKES.getValue(fault.kind) }
        return Struck(
            ours.values.sum(),
            ours.entries.joinToString { (strike, count) ->
                "${strike.name.words()} $count"
            },
        )
    }

    override fun heal() {
        site.seats.forEach { it.proxy.traffic = Traffic.Pass }
    }

    private suspend fun through(proxy: Proxy, traffic: Traffic, fault: Fault) {
        proxy.traffic = traffic
        try {
            delay(fault.lasts)
        } finally {
            proxy.traffic = Traffic.Pass
        }
    }

    private fun traffic(fault: Fault): Traffic = when (fault.kind) {
        BLACKHOLE -> Traffic.Blackhole()
        BLACKHOLE_IN -> Traffic.Blackhole(toServer = false)
        BLACKHOLE_OUT -> Traffic.Blackhole(toClient = false)
        DELAY -> numbers(fault).let { (from, to) -> Traffic.Delay(from.milliseconds, to.milliseconds) }
        CUT_BEFORE_COMMIT -> Traffic.Cut(Moment.BEFORE, every = numbers(fault).single())
        CUT_AFTER_COMMIT -> Traffic.Cut(Moment.AFTER, every = numbers(fault).single())
        else -> error("${fault.kind} does not happen on the network")
    }

    private fun numbers(fault: Fault): List<Int> = NUMBER
        .findAll(fault.detail.orEmpty())
        .map { it.value.toInt() }
        .toList()

    private fun String.words(): String = lowercase().replace('_', ' ')

    private companion object {
        val NUMBER = Regex("\\d+")
        val RESET_EVERY = 250.milliseconds
        val STRIKES =
            mapOf(
                BLACKHOLE to setOf(Strike.SWALLOWED_TO_SERVER, Strike.SWALLOWED_TO_CLIENT),
                BLACKHOLE_IN to setOf(Strike.SWALLOWED_TO_CLIENT),
                BLACKHOLE_OUT to setOf(Strike.SWALLOWED_TO_SERVER),
                RESET to setOf(Strike.RESET),
                DELAY to setOf(Strike.DELAYED),
                CUT_BEFORE_COMMIT to setOf(Strike.CUT_BEFORE_COMMIT, Strike.CUT_BEFORE_STATEMENT),
                CUT_AFTER_COMMIT to setOf(Strike.CUT_AFTER_COMMIT, Strike.CUT_AFTER_STATEMENT),
            )
    }
}
