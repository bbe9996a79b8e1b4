package simulation

import chaos.history.Entry
import chaos.history.History
import chaos.history.Rest
import chaos.history.Settings
import kittiwake.KittiwakeSpi
import kittiwake.job.JobId
import kittiwake.job.JobState
import kittiwake.store.JobStore
import kittiwake.testing.InMemoryJobStore
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** A server, some workers, who gives them work, and who makes it hard for them. */
@OptIn(KittiwakeSpi::class)
class Cluster(val scenario: Scenario, isTold: Boolean, bug: Bug?) {
    val world = World(scenario.seed, isTold)
    val network = Network(world, scenario.timeouts, world.dice("network"))
    val hints = Hints(world, world.dice("hints"))
    val server = RecordedStore(store(bug)) { world.now }
    val journals = LinkedHashMap<String, MutableList<Entry>>()
    val snoozed = mutableSetOf<JobId>()

    /** What should never happen: exceptions that end a worker. */
    val defects = mutableListOf<String>()

    /** How many jobs workers gave back that were not told to stop. */
    var givenBack = 0

    /** The processes that live, by their place in the cluster. */
    val nodes = LinkedHashMap<String, Node>()

    private val dice = world.dice("cluster")
    private val nemesis = Nemesis(this)
    private val producer = Producer(this)
    private val operator = Operator(this)
    private var lives = 0
    private var callsOfTheDead = 0
    private var isClosing = false

    private val stops = mutableListOf<Duration>()
    private var healedAt = world.now
    private var drainedAfter: Duration? = null

    /** Lives through the whole story: chaos, recovery, idleness, the end. */
    fun live(): Ending {
        repeat(scenario.nodes) { start("worker-$it") }
        producer.start()
        operator.start()
        nemesis.start(scenario.plan)
        world.run(scenario.chaos)
        nemesis.heal()
        healedAt = world.now
        world.run(scenario.chaos + scenario.recovery) { isDrained }
        drainedAfter = (world.now - healedAt).takeIf { isDrained }
        world.run(world.elapsed + scenario.lease)
        return end()
    }

    private val isDrained: Boolean get() = producer.isDone && operator.isDone && server.unfinished.isEmpty()

    private fun end(): Ending {
        isClosing = true
        val unfinished = server.unfinished
        stops.clear()
        nodes.values.forEach { it.stop() }
        world.run(world.elapsed + scenario.lease * 4) { nodes.isEmpty() }
        val calls = callsOfTheDead + nodes.values.sumOf { it.link.calls }
        return Ending(
            drainedAfter, unfinished, stops.maxOrNull(), nodes.keys.toList(), calls, world.elapsed, defects, givenBack,
        )
    }

    fun history(): History = History(
        Settings(scenario.lease, scenario.rescueEvery, scenario.pollEvery, world.now - world.elapsed, healedAt),
        server.changes, server.lives, journals, producer.businesses, emptyList(), nemesis.injected, rest(),
    )

    private fun rest(): Rest {
        val states = server.ids.associateWith { atOnce { server.find(it)!!.state } }

        fun those(which: (JobState) -> Boolean) = states.filterValues(which).keys.map { it.value }

        return Rest(
            ready = those { it == JobState.Ready },
            scheduled = those { it is JobState.Scheduled },
            leased = those { it is JobState.Running },
            jobs = those { it !is JobState.Ended },
            archived = states.entries
                .mapNotNull { (id, state) ->
                    (state as? JobState.Ended)?.let { id.value to listOf(it.ending.name.lowercase()) }
                }.toMap(),
        )
    }

    private fun store(bug: Bug?): JobStore = InMemoryJobStore(world.clock).let {
        bug?.plantIn(it, Bug.Sources(world.clock, world.dice("bug"))) ?: it
    }

    private fun start(name: String) {
        Node(this, name, ++lives).also { nodes[name] = it }.start()
    }

    /** A process is no more. Somebody starts another in its place. */
    fun gone(node: Node, name: String) {
        callsOfTheDead += node.link.calls
        nodes.remove(name)
        if (!isClosing) world.after(dice.nextInt(20, 2_000).milliseconds) { if (!isClosing) start(name) }
    }

    fun drained(took: Duration) {
        stops += took
    }
}

/** How a story ended, as far as it can be told from outside. */
class Ending(
    /** How long after the last fault the last job was over. */
    val drainedAfter: Duration?,
    val unfinished: List<JobId>,
    /** The longest that a worker took to stop when all was well. */
    val longestStop: Duration?,
    /** Workers that did not stop. */
    val stuck: List<String>,
    val calls: Int,
    val lasted: Duration,
    val defects: List<String>,
    /** How many jobs were claimed ahead and given back, because they did not get their turn. */
    val givenBack: Int,
)
