package simulation

import kittiwake.job.QueueName
import kotlin.random.Random
import kotlin.time.Duration.Companion.milliseconds

/** The server's notifications: sent only where somebody sleeps, late, twice, or lost. */
class Hints(private val world: World, private val dice: Random) {
    private val listeners = LinkedHashMap<String, (QueueName?) -> Unit>()
    private val sleepers = LinkedHashMap<QueueName, MutableSet<String>>()

    /** How many of them are lost. */
    var loss = 0.0

    fun listen(process: String, ring: (QueueName?) -> Unit) {
        listeners[process] = ring
    }

    /** The connections of the process are gone, and what it held with them. */
    fun hangUp(process: String) {
        listeners.remove(process)
        sleepers.values.forEach { it.remove(process) }
    }

    fun quiet(process: String, queue: QueueName) {
        sleepers.getOrPut(queue) { mutableSetOf() } += process
    }

    fun busy(process: String, queue: QueueName) {
        sleepers[queue]?.remove(process)
    }

    /** There is news in [queues]. */
    fun send(queues: Collection<QueueName>) {
        for (queue in queues) if (!sleepers[queue].isNullOrEmpty()) listeners.keys.forEach { deliver(it, queue) }
    }

    /** All that listen have lost their connections and found others. */
    fun reconnected() {
        listeners.keys.forEach { deliver(it, null) }
    }

    private fun deliver(process: String, queue: QueueName?) {
        deliver(mayBeLost = queue != null) { listeners[process]?.invoke(queue) }
    }

    fun deliver(mayBeLost: Boolean = true, tell: () -> Unit) {
        repeat(if (dice.nextInt(10) == 0) 2 else 1) {
            if (mayBeLost && dice.nextDouble() < loss) return@repeat
            world.after(dice.nextInt(1, 10).milliseconds) { tell() }
        }
    }
}
