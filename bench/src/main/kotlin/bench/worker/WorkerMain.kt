package bench.worker

import bench.Meter
import bench.NoopArgs
import bench.SCHEMA
import bench.Server
import bench.limit.BareListener
import bench.noop
import kittiwake.KittiwakeSpi
import kittiwake.event.JobObserver
import kittiwake.postgres.Kittiwake
import kittiwake.worker.Worker
import kittiwake.worker.worker
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlin.coroutines.Continuation
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.startCoroutine
import kotlin.system.exitProcess
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
    private val transactional = lazy { Transactional(settings, kittiwake) }
    private val warmUp = WorkerSettings(settings.jdbcUrl, settings.archive, concurrency = 64, prefetch = 2_000)

    fun obey(): Unit = runBlocking {
        say(Reply.Ready)
        while (true) {
            when (val order = order() ?: break) {
                is Order.Drain -> drain(order.jobs, if (order.isWarmUp) warmUp else settings)
                is Order.Attend -> if (settings.handler.isBare) listen(order.atMost) else attend(order.atMost)
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
        val worker = worker(settings, listOf(done)) {}
        val start = meter.read()
        val running = launch(Dispatchers.Default) { worker.run() }
        val end = done.last.await()
        running.cancelAndJoin()
        say(Reply.Drained(meter.between(start, end), done.count, done.distinct(), times.take()))
    }

    private suspend fun attend(atMost: Int): Unit = coroutineScope {
        val starts = Starts(atMost)
        val begun = Beginnings()
        val done = Completions(atMost, meter)
        val worker = worker(settings, listOf(begun, done), starts::note)
        val running = launch(Dispatchers.Default) { worker.run() }
        say(Reply.Attending)
        val jobs = finish { Reply.Seen(begun.count, done.count, done.lastAt, meter.clientCpu(), times.take()) }
        while (done.count < jobs) delay(1)
        running.cancelAndJoin()
        say(starts.attended(jobs))
    }

    private suspend fun listen(atMost: Int) {
        val starts = Starts(atMost)
        val handedOver = settings.handler == Handler.BARE_HANDED_OVER
        BareListener(settings.jdbcUrl, handedOver, starts::note).use { listener ->
            say(Reply.Attending)
            val jobs = finish { listener.completed.let { Reply.Seen(it, it, 0, meter.clientCpu(), emptyList()) } }
            while (listener.completed < jobs) delay(1)
            say(starts.attended(jobs))
        }
    }

    /** Says how far it has got until it is told to finish, and after how many. */
    private fun finish(seen: () -> Reply.Seen): Int {
        while (true) {
            when (val order = order()) {
                Order.Look -> say(seen())
                is Order.Weigh -> {
                    repeat(order.handlers) { startBare(NoopArgs(it)) }
                    say(Reply.Weighed(LiveHeap.weigh()))
                }
                is Order.Finish -> return order.jobs
                else -> error("Something is going on already, but was told $order")
            }
        }
    }

    /** The handler that waits, with its args as it gets them and nothing else. */
    private fun startBare(args: NoopArgs) {
        val decoded = type.args.decode(type.args.encode(args))
        suspended.startCoroutine(decoded, Continuation(EmptyCoroutineContext) {})
    }

    private fun worker(settings: WorkerSettings, observers: List<JobObserver>, work: (NoopArgs) -> Unit): Worker =
        worker(TimedStore(kittiwake.store, times)) {
            val names = List(settings.queues) { if (it == 0) "noop" else "noop-$it" }
            queue(*names.toTypedArray()) {
                settings.concurrency?.let { concurrency = it }
                settings.prefetch?.let { prefetch = it }
            }
            settings.pollEveryMillis?.let { pollEvery = it.milliseconds }
            bind(settings.handler, type, transactional, work)
            observers.forEach(::observe)
        }
}
