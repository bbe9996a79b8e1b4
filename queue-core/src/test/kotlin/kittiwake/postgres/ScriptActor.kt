package kittiwake.postgres

import com.zaxxer.hikari.HikariDataSource
import kittiwake.job.JobScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread
import kotlin.time.Duration.Companion.milliseconds

/** Does what a [Script] says, in a [WorkerProcess]. */
class ScriptActor(private val gate: Gate, private val pool: HikariDataSource) {
    suspend fun JobScope.perform(script: Script) {
        when (script) {
            Script.OK -> Unit
            Script.HANG -> awaitCancellation()
            Script.HALT -> Runtime.getRuntime().halt(137)
            Script.TAKE_A_MOMENT -> delay(200.milliseconds)
            Script.TAKE_A_WHILE -> delay(1_500.milliseconds)
            Script.SPIN -> if (attempt == 1) spin()
            Script.PASS_GATE -> passGate()
            Script.FAIL_BEHIND_GATE -> passGate().also { error("failed behind the gate") }
            Script.STARVE -> starve()
        }
    }

    private suspend fun passGate() = withContext(Dispatchers.IO) { gate.pass() }

    /** Code that neither ends nor hears of its cancellation. */
    private fun spin(): Nothing {
        while (true) Thread.onSpinWait()
    }

    /** Blocks all threads of both dispatchers and holds all connections of the pool, until the gate opens. */
    private fun JobScope.starve() {
        val threadsOfDefault = Runtime.getRuntime().availableProcessors().coerceAtLeast(2)
        val blocked = CountDownLatch(THREADS_OF_IO + threadsOfDefault)
        val opened = CountDownLatch(1)
        val block = {
            blocked.countDown()
            opened.await()
        }
        thread {
            val connections = List(pool.maximumPoolSize) { pool.connection }
            blocked.await()
            println("starved")
            gate.pass()
            connections.forEach { it.close() }
            opened.countDown()
        }
        repeat(THREADS_OF_IO) { launch(Dispatchers.IO) { block() } }
        repeat(threadsOfDefault) { launch(Dispatchers.Default) { block() } }
    }

    private companion object {
        const val THREADS_OF_IO = 64
    }
}
