package bench.worker

import bench.Meter
import bench.Reading
import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kotlinx.coroutines.CompletableDeferred
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicLongArray

/** Counts jobs that start. Several threads write to it for each job, so only those who want to know have it. */
internal class Beginnings : JobObserver {
    private val begun = AtomicInteger()
    val count: Int get() = begun.get()

    override fun on(event: JobEvent) {
        if (event is JobEvent.Started) begun.incrementAndGet()
    }
}

/** Notes which jobs were completed, and reads the meter after the last that is expected. */
internal class Completions(private val expected: Int, private val meter: Meter) : JobObserver {
    private val ids = AtomicLongArray(expected)
    private val told = AtomicInteger()
    val last = CompletableDeferred<Reading>()
    val count: Int get() = told.get()

    @Volatile
    var lastAt = 0L
        private set

    override fun on(event: JobEvent) {
        if (event !is JobEvent.Completed) return
        lastAt = System.nanoTime()
        val place = told.getAndIncrement()
        if (place < expected) ids.set(place, event.id.value)
        if (place == expected - 1) last.complete(meter.read(lastAt))
    }

    /** Without objects: half a million of them would be the garbage of the next drain. */
    fun distinct(): Int {
        val sorted = LongArray(expected, ids::get).apply { sort() }
        return sorted.indices.count { it == 0 || sorted[it] != sorted[it - 1] }
    }
}
