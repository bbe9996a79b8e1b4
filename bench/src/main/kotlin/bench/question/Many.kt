package bench.question

import bench.Backlog
import bench.Bench
import bench.Meter
import bench.NoopArgs
import bench.Question
import bench.Sample
import bench.Tables
import bench.Way
import bench.limit.BareWays
import bench.noop
import bench.worker.Handler
import bench.worker.WorkerProcess
import bench.worker.WorkerSettings
import kotlinx.coroutines.runBlocking

/** What happens when there is much of everything. */
internal object Many : Question {
    override val name = "many"
    override val asks =
        "how fast do 1 to 8 worker processes finish 400,000 waiting no-op jobs together? Bare SQL: 500,000 on two " +
            "connections, 500 at a time. What do 1,000 queues cost a worker that works 100,000 jobs spread over " +
            "them, and then waits? How much heap does a job take that waits in delay(), beside what its handler " +
            "takes without a queue, with 10,000 of them?"

    override val bars = listOf("jobs/s", "heap B/job beside the handler's own")

    override fun ways(bench: Bench): List<Way> {
        val bare = BareWays(bench).drain(PROCESSES, batch = 500, archive = true)
        val bareQueue = BareWays(bench).drain(QUEUES, batch = 500, archive = true)
        return listOf(1, 2, 4, 8).map { processes ->
            Way(PROCESSES, "$processes", "${Tuning.TUNED}", bare) { processes(bench, it, processes) }
        } + listOf(
            Way(QUEUES, "1", "default settings", bareQueue) { queues(bench, it, 1) },
            Way(QUEUES, "1,000", "default settings") { queues(bench, it, 1_000) },
            Way("suspended handlers", "%,d in delay()".format(SUSPENDED)) { suspended(bench, it) },
        )
    }

    /** From the first order to the last completion anywhere. */
    private fun processes(bench: Bench, tables: Tables, processes: Int): Sample {
        val jobs = bench.options.jobs ?: DRAINED
        val workers = List(processes) { WorkerProcess.start(Tuning.TUNED.settings(bench), bench.options) }
        try {
            val backlog = Backlog(bench.server)
            for (worker in workers) {
                backlog.wait(WARM_UP)
                worker.warmUp(WARM_UP)
            }
            tables.forgetArchive()
            backlog.wait(jobs)
            bench.server.settle()
            Meter(bench.server.dataSource).use { meter ->
                val (start, cpuBefore) = meter.read() to workers.sumOf { it.cpu }
                workers.forEach { it.begin(jobs) }
                while (workers.sumOf { it.look().completed } < jobs) Thread.sleep(LOOK_EVERY_MILLIS)
                val seen = workers.map { it.look() }
                val (end, cpuAfter) = meter.read(seen.maxOf { it.lastAt }) to workers.sumOf { it.cpu }
                workers.forEach { it.finish(0) }
                check(seen.sumOf { it.completed } == jobs) { "${seen.sumOf { it.completed }} of $jobs jobs were done" }
                tables.checkNothingLeft()
                val cost = meter.between(start, end).with(cpuAfter - cpuBefore)
                return Sample(mapOf("jobs/s" to jobs / cost.seconds) + cost.perJob(jobs))
            }
        } finally {
            workers.forEach { it.close() }
        }
    }

    private fun queues(bench: Bench, tables: Tables, queues: Int): Sample {
        val jobs = bench.options.jobs ?: SPREAD
        val settings = WorkerSettings(bench.server.url, archive = true, queues = queues)
        WorkerProcess.start(settings, bench.options).use { worker ->
            val backlog = Backlog(bench.server)
            for (warmUp in List(2) { WARM_UP / 2 }) {
                backlog.wait(warmUp, queues)
                worker.drain(warmUp)
            }
            tables.forgetArchive()
            backlog.wait(jobs, queues)
            bench.server.settle()
            val cost = worker.drain(jobs).cost
            tables.checkNothingLeft()
            return Sample(mapOf("jobs/s" to jobs / cost.seconds) + cost.perJob(jobs) + idle(bench, worker, queues))
        }
    }

    /** What the same worker takes while nothing is to be done. */
    private fun idle(bench: Bench, worker: WorkerProcess, queues: Int): Map<String, Double?> {
        worker.attend(0, bench.server, queues)
        Thread.sleep(SETTLE_MILLIS)
        Meter(bench.server.dataSource).use { meter ->
            val (start, before) = meter.read() to worker.look()
            Thread.sleep(IDLE_MILLIS)
            val (end, after) = meter.read() to worker.look()
            worker.finish(0)
            val cost = meter.between(start, end)
            return mapOf(
                "idle server %" to cost.serverShare,
                "idle client %" to 100.0 * (after.cpu - before.cpu) / cost.nanos,
            )
        }
    }

    private fun suspended(bench: Bench, tables: Tables): Sample {
        val settings =
            WorkerSettings(bench.server.url, archive = true, concurrency = SUSPENDED, handler = Handler.SUSPENDED)
        WorkerProcess.start(settings, bench.options).use { worker ->
            worker.attend(SUSPENDED, bench.server)
            val awake = List(AWAKE) { NoopArgs(-1) }
            runBlocking { tables.kittiwake.submitAll(noop(archive = true), awake) }
            while (worker.look().completed < AWAKE) Thread.sleep(LOOK_EVERY_MILLIS)
            val empty = worker.weigh()
            val bare = worker.weigh(handlers = SUSPENDED)
            tables.fill(SUSPENDED, archive = true)
            while (worker.look().started < AWAKE + SUSPENDED) Thread.sleep(LOOK_EVERY_MILLIS)
            Thread.sleep(SETTLE_MILLIS)
            val full = worker.weigh()
            val own = (bare - empty).bytes.toDouble() / SUSPENDED
            val each = (full - bare).bytes.toDouble() / SUSPENDED
            System.err.println("    heap by class, B/job:\n${(full - bare).largest(SUSPENDED)}")
            worker.finish(0)
            return Sample(
                mapOf(
                    "heap B/job beside the handler's own" to each - own,
                    "in all B/job" to each,
                    "the handler's own B" to own,
                ),
            )
        }
    }

    private const val PROCESSES = "worker processes"
    private const val QUEUES = "queues in one worker"
    private const val DRAINED = 400_000
    private const val SPREAD = 100_000
    private const val WARM_UP = 200_000
    private const val SUSPENDED = 10_000
    private const val AWAKE = 1_000
    private const val LOOK_EVERY_MILLIS = 10L
    private const val SETTLE_MILLIS = 2_000L
    private const val IDLE_MILLIS = 10_000L
}
