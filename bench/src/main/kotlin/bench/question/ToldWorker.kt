package bench.question

import bench.Backlog
import bench.Bench
import bench.Contender
import bench.Cost
import bench.Meter
import bench.SCHEMA
import bench.worker.WorkerProcess
import bench.worker.WorkerSettings

/** A worker in a process of its own, which sleeps until it is told of jobs. */
internal class ToldWorker(private val bench: Bench, private val settings: WorkerSettings) : Contender {
    /** After 80,000 the client still took 133 to 228 µs for a job; over 400,000 in one go it was 91. */
    override val warmUp = 300_000

    private val worker = WorkerProcess.start(settings, bench.options)
    private val meter = Meter(bench.server.dataSource)
    private val backlog = Backlog(bench.server)
    private var done = 0

    init {
        worker.begin(AT_MOST)
    }

    override fun bite(numbers: IntRange): Cost {
        worker.awaitSleep(bench.server)
        backlog.wait(numbers.count(), archive = settings.archive, first = numbers.first)
        val before = worker.look()
        val start = meter.read()
        bench.server.execute("select $SCHEMA.wake('noop')")
        done += numbers.count()
        while (true) {
            val seen = worker.look()
            if (seen.completed == done) return meter.between(start, meter.read(seen.lastAt)).with(seen.cpu - before.cpu)
            Thread.sleep(LOOK_EVERY_MILLIS)
        }
    }

    override fun close() {
        worker.finish(done)
        worker.close()
        meter.close()
    }

    private companion object {
        const val AT_MOST = 2_000_000
        const val LOOK_EVERY_MILLIS = 20L
    }
}
