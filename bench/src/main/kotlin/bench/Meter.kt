package bench

import kotlinx.serialization.Serializable
import java.io.File
import java.lang.management.ManagementFactory
import javax.sql.DataSource

/** What has been used up so far. Two readings make a [Cost]. */
internal class Reading(val serverCpu: Long?, val clientCpu: Long, val machineCpu: Long?, val wal: Long, val nanos: Long)

/** What a stretch of work took. A processor's time is null where it cannot be known: a server elsewhere, no `/proc`. */
@Serializable
internal class Cost(val nanos: Long, val serverCpu: Long?, val clientCpu: Long, val machineCpu: Long?, val wal: Long) {
    val seconds: Double get() = nanos / 1e9

    /** Both, one after the other. */
    operator fun plus(other: Cost) = Cost(
        nanos + other.nanos,
        serverCpu?.let { other.serverCpu?.plus(it) },
        clientCpu + other.clientCpu,
        machineCpu?.let { other.machineCpu?.plus(it) },
        wal + other.wal,
    )

    /** The same, when the client is [processes] that have used so much beside this one. */
    fun with(processes: Long) = Cost(nanos, serverCpu, clientCpu + processes, machineCpu, wal)

    /** What the server took of one processor, in per cent. */
    val serverShare: Double? get() = serverCpu?.let { 100.0 * it / nanos }

    /** The figures that every question reports beside its own, by [jobs] really done. */
    fun perJob(jobs: Int): Map<String, Double?> = mapOf(
        "server µs/job" to serverCpu?.let { it / 1e3 / jobs },
        "client µs/job" to clientCpu / 1e3 / jobs,
        "WAL B/job" to wal.toDouble() / jobs,
        "others %" to others(),
    )

    /** The share of the machine that went to neither the server nor this client: how far to trust the rest. */
    private fun others(): Double? {
        if (machineCpu == null || serverCpu == null) return null
        return 100.0 * (machineCpu - serverCpu - clientCpu) /
            (nanos.toDouble() * Runtime.getRuntime().availableProcessors())
    }
}

/** Reads clocks and counters of the server, of this process and of the machine. */
internal class Meter(dataSource: DataSource) : AutoCloseable {
    private val connection = dataSource.connection
    private val position = connection.prepareStatement("select (pg_current_wal_insert_lsn() - '0/0')::bigint")
    private val postmaster = localPostmaster()

    /** Reads the clock last, so that reading the rest is not measured; or takes what the caller read at the very end. */
    fun read(nanos: Long? = null): Reading = Reading(
        serverCpu(), clientCpu(), machineCpu(), wal(),
        nanos ?: System.nanoTime(),
    )

    fun between(start: Reading, end: Reading): Cost = Cost(
        nanos = end.nanos - start.nanos,
        serverCpu = start.serverCpu?.let { end.serverCpu?.minus(it) },
        clientCpu = end.clientCpu - start.clientCpu,
        machineCpu = start.machineCpu?.let { end.machineCpu?.minus(it) },
        wal = end.wal - start.wal,
    )

    private fun wal(): Long = position.executeQuery().use { row -> row.next().run { row.getLong(1) } }

    /** All processes of the server, and those that it had and that have ended. */
    private fun serverCpu(): Long? {
        if (postmaster == null) return null
        val all = File("/proc").listFiles { file -> file.name.all(Char::isDigit) }.orEmpty().mapNotNull(::stat)
        val own = all.filter { it.parent == postmaster }.sumOf { it.ticks }
        return (own + (all.find { it.id == postmaster }?.let { it.ticks + it.childrensTicks } ?: 0)) * TICK
    }

    /** What this process has used of the processor since it started. */
    fun clientCpu(): Long =
        (ManagementFactory.getOperatingSystemMXBean() as com.sun.management.OperatingSystemMXBean).processCpuTime

    private fun machineCpu(): Long? {
        val file = File("/proc/stat").takeIf { it.canRead() } ?: return null
        val ticks = file.useLines { it.first() }.split(' ').filter { it.isNotEmpty() }.drop(1).map(String::toLong)
        return (ticks.take(8).sum() - ticks[IDLE] - ticks[WAITING]) * TICK
    }

    /** The parent of our own backend, when that is a process of this machine. */
    private fun localPostmaster(): Long? {
        if (hostsOf(connection.metaData.url).any { it !in setOf("localhost", "127.0.0.1", "[::1]") }) return null
        val backend = connection.createStatement().use { statement ->
            statement.executeQuery("select pg_backend_pid()").use { row -> row.next().run { row.getLong(1) } }
        }
        return stat(File("/proc/$backend"))?.takeIf { "postgres" in it.command }?.parent
    }

    override fun close() {
        connection.close()
    }

    private class Process(
        val id: Long,
        val command: String,
        val parent: Long,
        val ticks: Long,
        val childrensTicks: Long,
    )

    private fun stat(folder: File): Process? {
        // A process may end between the listing and the look.
        val text = runCatching { File(folder, "stat").readText() }.getOrNull() ?: return null
        val fields = text.substringAfterLast(") ").split(' ')
        return Process(
            id = folder.name.toLong(),
            command = text.substringAfter('(').substringBeforeLast(')'),
            parent = fields[1].toLong(),
            ticks = fields[11].toLong() + fields[12].toLong(),
            childrensTicks = fields[13].toLong() + fields[14].toLong(),
        )
    }

    private companion object {
        /** A hundredth of a second: the unit of `/proc` on every Linux in use. */
        const val TICK = 10_000_000L
        const val IDLE = 3
        const val WAITING = 4
    }
}
