package bench.worker

import bench.Meter
import bench.NoopArgs
import bench.Reading
import bench.SCHEMA
import bench.Server
import bench.noop
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kittiwake.postgres.Kittiwake
import kittiwake.worker.Worker
import kittiwake.worker.worker
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import java.time.Instant
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.AtomicLongArray
import kotlin.coroutines.Continuation
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.startCoroutine
import kotlin.system.exitProcess
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** A worker process: takes orders from its input, one a line, and ends with it. */
fun main(arguments: Array<String>) {
    val settings = LINE.decodeFromString<WorkerSettings>(arguments.single())
    val dataSource = Server.dataSource(settings.jdbcUrl)
    Kittiwake.connect(dataSource) { schema = SCHEMA }.use { kittiwake ->
        Meter(dataSource).use { meter -> AtWork(settings, kittiwake, meter).obey() }
    }
    exitProcess(0)
}

@OptIn(KittiwakeSpi::class)
private class AtWork(private val settings: WorkerSettings, private val kittiwake: Kittiwake, private val meter: Meter) {
    private val type = noop(settings.archive)
    private val times = ClaimTimes()
    private val transactional by lazy { Transactional(settings, kittiwake) }
    private val warmUp = WorkerSettings(settings.jdbcUrl, settings.archive, concurrency = 64, prefetch = 2_000)

    fun obey(): Unit = runBlocking {
        say(Reply.Ready)
        while (true) {
            when (val order = order() ?: break) {
                is Order.Drain -> drain(order.jobs, if (order.isWarmUp) warmUp else settings)
                is Order.Attend -> attend(order.atMost)
                is Order.Finish, Order.Look, is Order.Weigh -> error("Nothing was begun")
            }
        }
    }

    private fun order(): Order? = readlnOrNull()?.let { LINE.decodeFromString(Order.serializer(), it) }

    private fun say(reply: Reply) {
        println(MARK + LINE.encodeToString(Reply.serializer(), reply))
    }

    /** The clock runs from the start of `run()` to the last completion written, and so do the counters. */
    private suspend fun drain(jobs: Int, settings: WorkerSettings): Unit = coroutineScope {
        val done = Completions(jobs, meter)
        val worker = worker(settings, done) {}
        val start = meter.read()
        val running = launch(Dispatchers.Default) { worker.run() }
        val end = done.last.await()
        running.cancelAndJoin()
        say(Reply.Drained(meter.between(start, end), done.count, done.distinct(), times.take()))
    }

    private suspend fun attend(atMost: Int): Unit = coroutineScope {
        val nanos = AtomicLongArray(atMost)
        val micros = AtomicLongArray(atMost)
        val done = Completions(atMost, meter)
        val worker = worker(settings, done) { args ->
            nanos.set(args.number, System.nanoTime())
            micros.set(args.number, Instant.now().let { it.epochSecond * 1_000_000 + it.nano / 1_000 })
        }
        val running = launch(Dispatchers.Default) { worker.run() }
        say(Reply.Attending)
        val jobs = finish(done)
        while (done.count < jobs) delay(1)
        running.cancelAndJoin()
        say(Reply.Attended(List(jobs, nanos::get), List(jobs, micros::get)))
    }

    /** Says how far it has got until it is told to finish, and after how many. */
    private fun finish(done: Completions): Int {
        while (true) {
            when (val order = order()) {
                Order.Look -> say(Reply.Seen(done.started, done.count, done.lastAt, meter.clientCpu(), times.take()))
                is Order.Weigh -> {
                    repeat(order.handlers) {
                        suspended
                            .startCoroutine(NoopArgs(it), Continuation(EmptyCoroutineContext) {})
                    }
                    say(Reply.Weighed(LiveHeap.weigh()))
                }
                is Order.Finish -> return order.jobs
                else -> error("Something is going on already, but was told $order")
            }
        }
    }

    private fun worker(settings: WorkerSettings, done: Completions, work: (NoopArgs) -> Unit): Worker =
        worker(TimedStore(kittiwake.store, times)) {
            val names = List(settings.queues) { if (it == 0) "noop" else "noop-$it" }
            queue(*names.toTypedArray()) {
                settings.concurrency?.let { concurrency = it }
                settings.prefetch?.let { prefetch = it }
            }
            settings.pollEveryMillis?.let { pollEvery = it.milliseconds }
            when (settings.handler) {
                Handler.NOOP -> handle(type) { args -> work(args) }
                Handler.SUSPENDED -> {
                    handle(type) { args -> args.suspended() }
                    shutdownGrace = Duration.ZERO
                }
                Handler.IN_EXPOSED -> transactional.withExposed(this, type)
                Handler.IN_JDBC -> transactional.withJdbc(this, type)
            }
            observe(done)
        }
}

/** Notes which jobs were completed, and reads the meter after the last that is expected. */
private class Completions(private val expected: Int, private val meter: Meter) : JobObserver {
    private val ids = AtomicLongArray(expected)
    private val told = AtomicInteger()
    private val begun = AtomicInteger()
    val last = CompletableDeferred<Reading>()
    val count: Int get() = told.get()
    val started: Int get() = begun.get()

    @Volatile
    var lastAt = 0L
        private set

    override fun on(event: JobEvent) {
        if (event is JobEvent.Started) begun.incrementAndGet()
        if (event !is JobEvent.Completed) return
        lastAt = System.nanoTime()
        val place = told.getAndIncrement()
        if (place < expected) ids.set(place, event.id.value)
        if (place == expected - 1) last.complete(meter.read(lastAt))
    }

    fun distinct(): Int = List(expected, ids::get).distinct().size
}
