package simulation

import chaos.history.Entry
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.event.JobObserver
import kittiwake.job.JobId
import kittiwake.store.JobStore
import kittiwake.worker.worker
import kotlinx.coroutines.CoroutineExceptionHandler
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch
import kotlin.coroutines.suspendCoroutine
import kotlin.time.Duration
import kotlin.time.Instant

/** One process that works jobs: a real worker on threads, a clock and a network that are not. */
@OptIn(KittiwakeSpi::class)
class Node(private val cluster: Cluster, private val name: String, private val life: Int) {
    private val world = cluster.world
    private val scenario = cluster.scenario
    private val dice = world.dice("$name.$life")
    private val entries = cluster.journals.getOrPut(name) { mutableListOf() }
    private val dispatcher = NodeDispatcher(world, dice)
    private var stoppedAt: Duration? = null
    private var run: Job? = null

    val link = Link("$name.$life")
    val now: Instant get() = world.now
    val isGone: Boolean get() = dispatcher.isGone

    fun start() {
        val store = NodeStore(
            cluster.server, world, cluster.network, scenario.timeouts, cluster.hints, link, dispatcher,
        )
        journal(Entry.Process(now, pid()))
        val scope = CoroutineScope(dispatcher + CoroutineExceptionHandler { _, e -> cluster.defects += "$name: $e" })
        run = scope.launch { work(store).run() }.also { it.invokeOnCompletion { ended() } }
    }

    private fun work(store: JobStore) = worker(store) {
        name = this@Node.name
        lease = scenario.lease
        heartbeatEvery = scenario.heartbeatEvery
        pollEvery = scenario.pollEvery
        rescueEvery = scenario.rescueEvery
        shutdownGrace = scenario.shutdownGrace
        cancelGrace = scenario.cancelGrace
        timeSource = world.clock
        random = dice
        queues.forEach {
            queue(it) {
                concurrency = scenario.concurrency
                prefetch = scenario.prefetch
            }
        }
        work(this@Node)
        observe(JobObserver(::told))
    }

    private fun told(event: JobEvent) {
        if (event is JobEvent.Released && stoppedAt == null) cluster.givenBack++
        journal(Entry.Told(now, event.id.value, event.attempt, event::class.simpleName!!))
    }

    /** Tells it to drain. It is gone when it has. */
    fun stop() {
        if (stoppedAt == null) stoppedAt = world.elapsed
        run?.cancel()
    }

    private fun ended() {
        if (isGone) return
        journal(Entry.Process(now, pid(), isEnd = true))
        stoppedAt?.let { cluster.drained(world.elapsed - it) }
        cluster.gone(this, name)
    }

    fun pause() = dispatcher.pause()

    fun resume() = dispatcher.resume()

    fun slowDown(times: Int) {
        dispatcher.slowness = times
    }

    fun crash() {
        if (isGone) return
        world.tell(link.name) { "is killed" }
        dispatcher.crash()
        cluster.hints.hangUp(link.name)
        cluster.gone(this, name)
    }

    /** What a handler can do to its process. Nothing happens after it. */
    suspend fun die(): Nothing {
        crash()
        suspendCoroutine<Unit> { }
        error("A dead process goes on")
    }

    fun isFirstSnooze(id: JobId): Boolean = cluster.snoozed.add(id)

    fun journal(entry: Entry, detail: () -> String = { "" }) {
        entries += entry
        world.tell(link.name) { "$entry ${detail()}" }
    }

    private fun pid() = name.hashCode().toLong() * 1_000 + life
}
