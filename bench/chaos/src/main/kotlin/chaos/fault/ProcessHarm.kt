package chaos.fault

import chaos.plan.Fault
import chaos.plan.FaultKind
import chaos.plan.FaultKind.CLOCK_OFFSET
import chaos.plan.FaultKind.CPU_HOG
import chaos.plan.FaultKind.KILL
import chaos.plan.FaultKind.PAUSE
import chaos.plan.FaultKind.RESTART
import chaos.process.Seat
import chaos.process.WrongClock
import kotlinx.coroutines.delay
import java.lang.management.ManagementFactory
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.concurrent.thread
import kotlin.time.Duration
import kotlin.time.Duration.Companion.nanoseconds

/** What happens to a process: death, standstill, an orderly end, a wrong clock, no processor. */
internal class ProcessHarm(private val site: Site) : Harm {
    override val kinds: Set<FaultKind> = setOf(KILL, PAUSE, RESTART, CLOCK_OFFSET, CPU_HOG)
    private val isHogging = AtomicBoolean()

    override suspend fun inflict(fault: Fault): Struck = when (fault.kind) {
        KILL -> kill(site.seat(fault.target), fault.lasts)
        PAUSE -> pause(site.seat(fault.target), fault.lasts)
        RESTART -> restart(site.seat(fault.target), fault.lasts)
        CLOCK_OFFSET -> misleadClock(site.seat(fault.target), fault)
        CPU_HOG -> hog(fault.lasts)
        else -> error("${fault.kind} does not happen to a process")
    }

    override fun heal() {
        isHogging.set(false)
        site.seats.forEach { seat ->
            seat.wake()
            seat.nextClock(null)
        }
    }

    private suspend fun kill(seat: Seat, emptyFor: Duration): Struck {
        val wasThere = seat.kill(emptyFor)
        delay(emptyFor)
        return Struck(if (wasThere) 1 else 0, "nobody sat there".takeIf { !wasThere })
    }

    private suspend fun pause(seat: Seat, lasts: Duration): Struck {
        val generation = seat.generation
        val wasThere = seat.pause()
        try {
            delay(lasts)
        } finally {
            seat.wake()
        }
        val isSame = seat.generation == generation
        return Struck(if (wasThere) 1 else 0, "it died meanwhile".takeIf { !isSame })
    }

    private suspend fun restart(seat: Seat, lasts: Duration): Struck {
        val generation = seat.generation
        val wasThere = seat.terminate()
        delay(lasts)
        val isReplaced = seat.generation > generation
        return Struck(if (wasThere) 1 else 0, "it still drains".takeIf { !isReplaced })
    }

    private suspend fun misleadClock(seat: Seat, fault: Fault): Struck {
        val (offset, zone) = fault.detail.orEmpty().split(' ')
        val clock = WrongClock(Duration.parse(offset), zone)
        seat.nextClock(clock)
        try {
            seat.kill()
            delay(fault.lasts)
        } finally {
            seat.nextClock(null)
        }
        val wasThere = seat.kill()
        return Struck(if (wasThere) 1 else 0, clock.says)
    }

    private suspend fun hog(lasts: Duration): Struck {
        isHogging.set(true)
        val threads =
            List(Runtime.getRuntime().availableProcessors()) {
                thread(isDaemon = true, name = "hog") { spin() }
            }
        val meter = ManagementFactory.getThreadMXBean()
        val used =
            try {
                delay(lasts)
                threads.sumOf { meter.getThreadCpuTime(it.id).coerceAtLeast(0) }.nanoseconds
            } finally {
                isHogging.set(false)
            }
        return Struck(if (used.isPositive()) threads.size else 0, "used the processors for $used")
    }

    private fun spin() {
        while (isHogging.get()) repeat(SPINS) { Thread.onSpinWait() }
    }
}

private const val SPINS = 1_000
