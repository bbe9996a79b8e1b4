package kittiwake.postgres

import kittiwake.job.QueueName
import kittiwake.store.LocalBells
import org.slf4j.LoggerFactory
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.RejectedExecutionException
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.locks.LockSupport

/**
 * Tells sleeping workers, here and elsewhere, that there is news in a queue: after the commit that made it, from a
 * thread and a connection of its own, many for one queue as one, and without ever failing whoever enqueued.
 */
internal class WakeSender(
    private val config: KittiwakeConfig,
    private val pool: ControlPool,
    private val locals: LocalBells,
) : AutoCloseable {
    private val wake =
        NamedSql(
            "/* kittiwake: wake */ select {schema}.wake(queue) from unnest(:queues::text[]) as q (queue)",
            config.schema,
        )
    private val waiting: MutableSet<QueueName> = ConcurrentHashMap.newKeySet()
    private val isScheduled = AtomicBoolean()
    private val thread =
        ThreadPoolExecutor(1, 1, IDLE_SECONDS, TimeUnit.SECONDS, LinkedBlockingQueue()) { task ->
            Thread(task, "kittiwake-wake").apply { isDaemon = true }
        }.apply { allowCoreThreadTimeOut(true) }

    /** Returns at once. What is lost on the way is found by polling. */
    fun send(queues: Collection<QueueName>) {
        queues.forEach(locals::ring)
        if (!config.notifications || queues.isEmpty()) return
        waiting += queues
        try {
            if (isScheduled.compareAndSet(false, true)) thread.execute(::flush)
        } catch (_: RejectedExecutionException) {
            // Kittiwake is closed; the enqueue was committed all the same.
        }
    }

    private fun flush() {
        isScheduled.set(false)
        val queues = waiting.toList()
        waiting -= queues.toSet()
        try {
            pool.use { connection -> wake.query(connection, { array("queues", "text", queues.map { it.value }) }) {} }
        } catch (e: Exception) {
            log.debug("A wake-up for {} was lost; polling finds the jobs", queues, e)
        }
        LockSupport.parkNanos(PAUSE_NANOS)
    }

    override fun close() {
        thread.shutdown()
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.wakeups")!!
        const val IDLE_SECONDS = 10L

        /** Under load at most a thousand looks a second, whatever the number of commits. */
        const val PAUSE_NANOS = 1_000_000L
    }
}
