package chaos.proxy

import java.io.IOException
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger
import java.util.concurrent.atomic.LongAdder
import kotlin.concurrent.thread

/**
 * A door to the server at [targetHost] and [targetPort], on a [port] of its own, that fails on demand: [traffic] may be
 * changed at any time, and applies to connections that are open as well as to new ones.
 *
 * It follows the PostgreSQL protocol closely enough to know commits, unless the connection is encrypted.
 */
class Proxy(private val targetHost: String, private val targetPort: Int, name: String = "proxy") : AutoCloseable {
    private val door = ServerSocket(0, BACKLOG, InetAddress.getByName("127.0.0.1"))
    private val lines: MutableSet<Line> = ConcurrentHashMap.newKeySet()
    private val counts = Strike.entries.associateWith { LongAdder() }
    private val commits = ConcurrentHashMap<String, AtomicInteger>()

    val port: Int get() = door.localPort

    /** How many connections are open. */
    val connections: Int get() = lines.size

    @Volatile
    var traffic: Traffic = Traffic.Pass
        set(value) {
            field = value
            commits.clear()
            lines.forEach { it.resetIfHollow() }
        }

    init {
        thread(isDaemon = true, name = "$name door") { accept() }
    }

    /** What it did since it was opened. */
    fun strikes(): Map<Strike, Int> = counts.mapValues { it.value.toInt() }

    /** Resets all connections now, and says how many. */
    fun reset(): Int = lines.toList().onEach { it.reset(Strike.RESET) }.size

    override fun close() {
        door.close()
        lines.toList().forEach { it.reset(null) }
    }

    internal fun count(strike: Strike) {
        counts.getValue(strike).increment()
    }

    internal fun forget(line: Line) {
        lines -= line
    }

    /** Whether the connection is to be cut at this commit. */
    internal fun cutsAt(commit: Commit, moment: Traffic.Moment): Boolean {
        val cut = traffic as? Traffic.Cut ?: return false
        if (cut.moment != moment) return false
        return commits.computeIfAbsent(commit.name) { AtomicInteger() }.getAndIncrement() % cut.every == 0
    }

    private fun accept() {
        while (!door.isClosed) {
            val client =
                try {
                    door.accept()
                } catch (_: IOException) {
                    continue
                }
            if (traffic == Traffic.Refuse) {
                count(Strike.REFUSED)
                client.drop()
                continue
            }
            try {
                Line(this, client, Socket(targetHost, targetPort)).also { lines += it }.start()
            } catch (_: IOException) {
                client.drop()
            }
        }
    }

    private companion object {
        const val BACKLOG = 200
    }
}

/** Ends a connection without a farewell. */
internal fun Socket.drop() {
    try {
        setSoLinger(true, 0)
        close()
    } catch (_: IOException) {
        // It is gone already.
    }
}
