package chaos.process

import chaos.history.Entry
import chaos.history.Journal
import java.lang.management.ManagementFactory
import kotlin.concurrent.thread
import kotlin.time.Duration.Companion.seconds

/** Notes now and then what the process holds, after a collection: what only grows is a leak. */
class Weighing(private val journal: Journal) {
    fun start() {
        thread(isDaemon = true, name = "weighing") {
            while (true) {
                Thread.sleep(EVERY.inWholeMilliseconds)
                System.gc()
                val heap = ManagementFactory.getMemoryMXBean().heapMemoryUsage.used
                val threads = ManagementFactory.getThreadMXBean().threadCount
                journal.note { Entry.Weighed(it, heap, threads) }
            }
        }
    }

    private companion object {
        val EVERY = 15.seconds
    }
}
