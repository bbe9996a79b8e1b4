package bench.worker

import bench.NoopArgs
import java.time.Instant
import java.util.concurrent.atomic.AtomicLongArray

/** When each job was started, by its number. */
internal class Starts(atMost: Int) {
    private val nanos = AtomicLongArray(atMost)
    private val micros = AtomicLongArray(atMost)

    fun note(args: NoopArgs) {
        nanos.set(args.number, System.nanoTime())
        micros.set(args.number, Instant.now().let { it.epochSecond * 1_000_000 + it.nano / 1_000 })
    }

    fun attended(jobs: Int) = Reply.Attended(List(jobs, nanos::get), List(jobs, micros::get))
}
