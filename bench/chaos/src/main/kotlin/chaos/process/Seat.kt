package chaos.process

import chaos.proxy.Proxy
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.thread
import kotlin.concurrent.withLock
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** Who takes a seat: the generation counts from 1. */
class Arrival(val seat: String, val generation: Int, val clock: WrongClock?)

/**
 * A place for one process behind a proxy of its own. Whoever sits there may die, by a fault or by itself, and is
 * replaced until the seat is given up: [occupy] fills it, [retire] and [close] empty it for good.
 */
class Seat(val name: String, val proxy: Proxy, private val spawn: (Arrival) -> Child) : AutoCloseable {
    private val lock = ReentrantLock()
    private val changed = lock.newCondition()
    private var occupant: Child? = null
    private var isOpen = true
    private var emptyUntil = 0L
    private var clock: WrongClock? = null
    private var generations = 0

    /** How many processes have sat here. */
    val generation: Int get() = lock.withLock { generations }

    val isOccupied: Boolean get() = lock.withLock { occupant?.isAlive == true }

    val pid: Long? get() = lock.withLock { occupant?.takeIf { it.isAlive }?.pid }

    /** Spawns the first process, and the next ones whenever one has ended. */
    fun occupy() {
        lock.withLock {
            check(isOpen && generations == 0) { "The seat $name can be occupied once, but has seen $generations" }
            replace()
        }
        thread(isDaemon = true, name = "seat $name") { keepOccupied() }
    }

    /** SIGKILL; the next process comes after [emptyFor]. False when nobody sat here. */
    fun kill(emptyFor: Duration = Duration.ZERO): Boolean = lock.withLock {
        stayEmpty(emptyFor)
        val killed = occupant?.takeIf { it.isAlive } ?: return false
        killed.kill()
        true
    }

    /** SIGTERM; the next process comes when this one has drained. False when nobody sat here. */
    fun terminate(): Boolean = lock.withLock {
        val told = occupant?.takeIf { it.isAlive } ?: return false
        told.terminate()
        true
    }

    fun pause(): Boolean = lock.withLock { occupant?.pause() == true }

    fun wake(): Boolean = lock.withLock { occupant?.wake() == true }

    /** Whoever comes from now on has [clock]; null is the right one. Whoever sits here keeps theirs. */
    fun nextClock(clock: WrongClock?) {
        lock.withLock { this.clock = clock }
    }

    /** Waits until somebody else than [generation] sits here. */
    fun awaitSuccessor(generation: Int, timeout: Duration = 30.seconds): Boolean = lock.withLock {
        var nanos = timeout.inWholeNanoseconds
        while (generations <= generation && isOpen && nanos > 0) nanos = changed.awaitNanos(nanos)
        generations > generation
    }

    /** SIGTERM, and nobody comes after. The exit code, or null when it had to be killed after [timeout]. */
    fun retire(timeout: Duration = 30.seconds): Int? {
        val last = giveUp() ?: return null
        last.wake()
        last.terminate()
        return last.awaitExit(timeout).also { last.close() }
    }

    override fun close() {
        giveUp()?.close()
    }

    private fun giveUp(): Child? = lock.withLock {
        isOpen = false
        changed.signalAll()
        occupant
    }

    private fun stayEmpty(duration: Duration) {
        emptyUntil = System.nanoTime() + duration.inWholeNanoseconds
    }

    private fun keepOccupied() {
        while (true) {
            val current = lock.withLock { if (isOpen) occupant else null } ?: return
            if (current.awaitExit(LOOK_EVERY) == null) continue
            lock.withLock {
                if (!isOpen) return
                val wait = emptyUntil - System.nanoTime()
                if (wait > 0) changed.awaitNanos(wait) else replace()
            }
        }
    }

    private fun replace() {
        occupant?.close()
        generations++
        occupant = spawn(Arrival(name, generations, clock))
        changed.signalAll()
    }

    private companion object {
        val LOOK_EVERY = 100.milliseconds
    }
}
