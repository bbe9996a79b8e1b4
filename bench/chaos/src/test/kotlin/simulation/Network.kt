package simulation

import java.sql.SQLException
import kotlin.coroutines.Continuation
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.resumeWithException
import kotlin.coroutines.startCoroutine
import kotlin.coroutines.suspendCoroutine
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** How often what happens to one call. They are taken back when the world heals. */
data class Odds(
    /** The connection breaks before the server has it. */
    val lostBefore: Double = 0.0,
    /** The server did it, and the connection breaks on the answer. */
    val lostAfter: Double = 0.0,
    /** It takes far longer than usual, there or back. */
    val late: Double = 0.0,
    /** Nothing is heard of it. The server may have done it, or do it yet. */
    val silent: Double = 0.0,
)

/** What stands between one process and the server. */
class Link(val name: String) {
    var isCutThere = false
    var isCutBack = false
    var calls = 0
}

/** The way to the server and back, and all that can happen there. The server itself does one thing after the other. */
class Network(private val world: World, private val calm: Timeouts, private val dice: Random) {
    var odds = Odds()
    var isDown = false
    var isReadOnly = false

    /** How long who waits. */
    class Timeouts(val pool: Duration, val heart: Duration, val statement: Duration)

    /**
     * Sends [verb] over [link], and waits for the answer as a blocked thread does: it cannot be cancelled, but gives up
     * after [patience]. The server works at it for as long as a statement may take, whether somebody waits or not.
     */
    suspend fun <T> call(link: Link, verb: String, patience: Duration, isWrite: Boolean, work: suspend () -> T): T {
        link.calls++
        return suspendCoroutine { answer -> Call(link, verb, isWrite, work, answer).send(patience) }
    }

    private inner class Call<T>(
        private val link: Link,
        private val verb: String,
        private val isWrite: Boolean,
        private val work: suspend () -> T,
        private val answer: Continuation<T>,
    ) {
        private var isOver = false

        fun send(patience: Duration) {
            val fate = dice.nextDouble()
            val isLostBefore = fate < odds.lostBefore
            val isLostAfter = !isLostBefore && fate < odds.lostBefore + odds.lostAfter
            val isSilent = dice.nextDouble() < odds.silent
            val there = latency()
            val back = latency()
            world.after(patience) { fail("no answer within $patience", "08006") }
            when {
                isDown -> world.after(there) { fail("the server is down", "08001") }
                isLostBefore -> world.after(there) { fail("the connection broke", "08006") }
                link.isCutThere -> Unit
                isSilent -> if (dice.nextBoolean()) world.after(calm.statement * dice.nextDouble()) { perform() }
                else -> world.after(there) { arrive(back, isLostAfter) }
            }
        }

        private fun arrive(back: Duration, isLostAfter: Boolean) {
            if (isDown) return fail("the server is down", "57P03")
            if (isReadOnly && isWrite) return fail("cannot write in a read-only transaction", "25006")
            val result = perform()
            world.after(back) {
                when {
                    isDown || isLostAfter -> fail("the connection broke on the answer", "08006")
                    link.isCutBack || isOver -> Unit
                    else -> {
                        isOver = true
                        answer.resumeWith(result)
                    }
                }
            }
        }

        private fun perform(): Result<T> {
            if (isDown || (isReadOnly && isWrite)) return Result.failure(SQLException("too late"))
            return runCatching { atOnce(work) }.also { world.tell(link.name) { "$verb done" } }
        }

        private fun fail(why: String, state: String) {
            if (isOver) return
            isOver = true
            world.tell(link.name) { "$verb failed: $why" }
            answer.resumeWithException(SQLException("$verb: $why", state))
        }
    }

    private fun latency(): Duration =
        if (dice.nextDouble() < odds.late) calm.pool * (1.2 * dice.nextDouble()) else dice.nextInt(1, 6).milliseconds
}

/** Runs what never waits. */
fun <T> atOnce(work: suspend () -> T): T {
    var result: Result<T>? = null
    work.startCoroutine(Continuation(EmptyCoroutineContext) { result = it })
    return checkNotNull(result) { "The store in memory has suspended" }.getOrThrow()
}
