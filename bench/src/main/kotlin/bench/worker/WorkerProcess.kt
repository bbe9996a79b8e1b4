package bench.worker

import bench.Options
import bench.Server
import bench.Tables
import java.io.File
import java.util.concurrent.TimeUnit

/** A worker in a JVM of its own, seen from the program that measures. Closing it ends the process. */
internal class WorkerProcess private constructor(private val process: Process) : AutoCloseable {
    private val input = process.outputWriter()
    private val output = process.inputReader()

    /** Works everything there is, up to the last of [jobs]. */
    fun drain(jobs: Int): Reply.Drained = drained(Order.Drain(jobs))

    /** The same, unmeasured and as fast as it goes. */
    fun warmUp(jobs: Int) {
        drained(Order.Drain(jobs, isWarmUp = true))
    }

    /** The same with [jobs] that are stored for it and of which nothing is left: a JVM interprets what it does seldom. */
    fun warmUp(tables: Tables, jobs: Int = 200_000) {
        tables.fill(jobs, archive = true)
        warmUp(jobs)
        tables.forgetArchive()
    }

    /** Works until [jobs] are done of those that wait, and perhaps a few more. */
    fun bite(jobs: Int): Reply.Drained {
        val drained = ask(Order.Drain(jobs)) as Reply.Drained
        check(drained.distinct == jobs) { "$jobs jobs were done, but ${drained.distinct} different ones" }
        return drained
    }

    private fun drained(order: Order.Drain): Reply.Drained {
        val jobs = order.jobs
        val drained = ask(order) as Reply.Drained
        check(drained.completions == jobs && drained.distinct == jobs) {
            "$jobs jobs were to be done, but ${drained.distinct} were, in ${drained.completions} completions"
        }
        return drained
    }

    /** Lets it run. It returns when the worker is asleep, because nothing is waiting. */
    fun attend(atMost: Int, server: Server, queues: Int = 1) {
        begin(atMost)
        awaitSleep(server, queues)
    }

    /** Waits until the worker is asleep, because nothing is waiting. */
    fun awaitSleep(server: Server, queues: Int = 1) {
        while (server.ask(SLEEPERS).toInt() < queues) Thread.sleep(LOOK_EVERY_MILLIS)
    }

    /** Lets it run, and returns at once. */
    fun begin(atMost: Int) {
        check(ask(Order.Attend(atMost)) is Reply.Attending)
    }

    /** What it took of the processor so far, in nanoseconds, without asking it: it may be busy. */
    val cpu: Long get() = process.toHandle().info().totalCpuDuration().orElseThrow().toNanos()

    /** How far it has got. */
    fun look(): Reply.Seen = ask(Order.Look) as Reply.Seen

    /** What is alive on its heap, after so many handlers were started beside the worker, and wait. */
    fun weigh(handlers: Int = 0): LiveHeap = (ask(Order.Weigh(handlers)) as Reply.Weighed).heap

    /** Waits until [jobs] are completed, and stops the worker. */
    fun finish(jobs: Int): Reply.Attended = ask(Order.Finish(jobs)) as Reply.Attended

    private fun ask(order: Order): Reply {
        input.write(LINE.encodeToString(Order.serializer(), order))
        input.newLine()
        input.flush()
        return reply()
    }

    private fun reply(): Reply {
        while (true) {
            val line = checkNotNull(output.readLine()) { "The worker process has ended with code ${process.waitFor()}" }
            if (line.startsWith(MARK)) return LINE.decodeFromString(Reply.serializer(), line.removePrefix(MARK))
            System.err.println("    worker: $line")
        }
    }

    override fun close() {
        input.close()
        if (!process.waitFor(STOPS_WITHIN_SECONDS, TimeUnit.SECONDS)) process.destroyForcibly()
    }

    companion object {
        fun start(settings: WorkerSettings, options: Options): WorkerProcess {
            val java = File(System.getProperty("java.home"), "bin/java").path
            val command = listOf(java, "-Xmx1g") + options.workerJvm +
                listOf(
                    "-cp", System.getProperty("java.class.path"), "bench.worker.WorkerMainKt",
                    LINE.encodeToString(settings),
                )
            val process = ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start()
            return WorkerProcess(process).also { check(it.reply() is Reply.Ready) }
        }

        /** Whoever sleeps holds a shared lock, and says so before the last look. */
        private const val SLEEPERS = """
            select count(*)
            from pg_locks
            join pg_stat_activity using (pid)
            where locktype = 'advisory' and mode = 'ShareLock' and granted and application_name = 'kittiwake sleepers'
        """
        private const val LOOK_EVERY_MILLIS = 20L
        private const val STOPS_WITHIN_SECONDS = 30L
    }
}
