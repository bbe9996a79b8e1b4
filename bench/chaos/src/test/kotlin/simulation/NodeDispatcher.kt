package simulation

import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Delay
import kotlinx.coroutines.DisposableHandle
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.InternalCoroutinesApi
import kotlinx.coroutines.Runnable
import kotlinx.coroutines.disposeOnCancellation
import kotlin.coroutines.CoroutineContext
import kotlin.random.Random

/**
 * The threads and timers of one process. Everything that it is given to run runs a little later, by its dice, so that
 * no two coroutines keep step; and the whole process can be stopped, or be gone.
 */
@OptIn(InternalCoroutinesApi::class, ExperimentalCoroutinesApi::class)
class NodeDispatcher(private val world: World, private val dice: Random) :
    CoroutineDispatcher(),
    Delay {
    private enum class State { GOES, STANDS_STILL, IS_GONE }

    private var state = State.GOES
    private val held = ArrayDeque<Runnable>()

    /** How much slower than usual it is. */
    var slowness = 1

    val isGone: Boolean get() = state == State.IS_GONE

    override fun dispatch(context: CoroutineContext, block: Runnable) {
        later(dice.nextInt(SKEW).toLong() * slowness, block)
    }

    override fun scheduleResumeAfterDelay(timeMillis: Long, continuation: CancellableContinuation<Unit>) {
        val timer = later(timeMillis) { with(continuation) { resumeUndispatched(Unit) } }
        continuation.disposeOnCancellation(timer)
    }

    override fun invokeOnTimeout(timeMillis: Long, block: Runnable, context: CoroutineContext): DisposableHandle =
        later(timeMillis, block)

    private fun later(millis: Long, block: Runnable): DisposableHandle = world.after(millis) {
        when (state) {
            State.GOES -> block.run()
            State.STANDS_STILL -> held += block
            State.IS_GONE -> Unit
        }
    }

    /** As a stopped process or a machine that swaps: nothing runs, and the clock goes on. */
    fun pause() {
        if (state == State.GOES) state = State.STANDS_STILL
    }

    /** Goes on with everything at once. */
    fun resume() {
        if (state != State.STANDS_STILL) return
        state = State.GOES
        while (held.isNotEmpty()) held.removeFirst().let { later(dice.nextInt(SKEW).toLong(), it) }
    }

    /** As a killed process: nothing of it runs any more, no `finally` and no timer. */
    fun crash() {
        state = State.IS_GONE
        held.clear()
    }

    private companion object {
        /** In milliseconds: 0 to 3. */
        const val SKEW = 4
    }
}
