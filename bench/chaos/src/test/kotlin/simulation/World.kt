package simulation

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Delay
import kotlinx.coroutines.DisposableHandle
import kotlinx.coroutines.InternalCoroutinesApi
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestCoroutineScheduler
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Instant
import kotlin.time.TimeSource

/**
 * One universe: a scheduler and a seed, and nothing else in it that could differ from run to run. It is worked by one
 * thread.
 */
@OptIn(InternalCoroutinesApi::class)
class World(private val seed: Long, private val isTold: Boolean) {
    private val scheduler = TestCoroutineScheduler()
    private val dispatcher = StandardTestDispatcher(scheduler)
    private val story = StringBuilder()
    private var events = 0

    /** For what is nobody's process: producers, operators, the faults. */
    val outside = CoroutineScope(dispatcher)

    val clock: TimeSource.WithComparableMarks = scheduler.timeSource

    val elapsed: Duration get() = scheduler.currentTime.milliseconds
    val now: Instant get() = EPOCH + elapsed

    /** Every part of the world throws its own dice, so that one that is taken out leaves the others their luck. */
    fun dice(whose: String): Random = Random(seed * 1_000_003 + whose.hashCode())

    /** Does [action] when [wait] has passed. */
    fun after(wait: Duration, action: () -> Unit): DisposableHandle = after(wait.inWholeMilliseconds, action)

    fun after(millis: Long, action: () -> Unit): DisposableHandle =
        (dispatcher as Delay).invokeOnTimeout(millis, { happens(action) }, EmptyCoroutineContext)

    private fun happens(action: () -> Unit) {
        check(++events < MOST_EVENTS) { "$MOST_EVENTS events in $elapsed: something spins" }
        action()
    }

    /** Lets time pass until [isOver], and at most until [end]. */
    fun run(end: Duration, isOver: () -> Boolean = { false }) {
        while (elapsed < end && !isOver()) {
            scheduler.advanceTimeBy(minOf(STEP, end - elapsed))
            scheduler.runCurrent()
        }
    }

    /** A line in the story of this world, when somebody wants to hear it. */
    fun tell(who: String, what: () -> String) {
        if (isTold) {
            story
                .append(elapsed.inWholeMilliseconds)
                .append(' ')
                .append(who)
                .append(' ')
                .append(what())
                .append('\n')
        }
    }

    val told: String get() = story.toString()

    private companion object {
        /** The store in memory begins its time here. */
        val EPOCH = Instant.parse("2030-01-01T00:00:00Z")
        val STEP = 100.milliseconds
        const val MOST_EVENTS = 2_000_000
    }
}
