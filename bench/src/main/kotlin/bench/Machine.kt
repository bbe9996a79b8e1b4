package bench

import kotlinx.serialization.Serializable
import java.io.File
import java.io.RandomAccessFile
import java.lang.management.ManagementFactory

/** Where the figures come from; without it they mean nothing. */
@Serializable
internal class Machine(
    val processor: String,
    val cores: Int,
    val memory: String,
    val system: String,
    val jvm: String,
    /** How long the disk of the server takes to make eight kilobytes durable, where that can be tried. */
    val diskMicros: Double?,
    val postgres: String,
    /** Of the server, as its URL says it. */
    val host: String,
    val settings: Map<String, String>,
    val loadAverage: Double,
) {
    /** The same in short, for the foot of a chart. */
    fun lines(): List<String> = listOf(
        "$processor, $cores cores, $memory, a durable write in ${diskMicros.short()} µs, $system. $jvm",
        "PostgreSQL $postgres on $host, ${settings.entries.joinToString { "${it.key}=${it.value}" }}",
    )

    override fun toString(): String =
        """
        |machine     $processor, $cores cores, $memory, $system
        |disk        a durable write of 8 kB takes ${diskMicros.short()} µs
        |JVM         $jvm
        |PostgreSQL  $postgres on $host (${settings.entries.joinToString { "${it.key}=${it.value}" }})
        |load        $loadAverage before the first run; "others %" is what other processes took of the machine meanwhile
        """.trimMargin()

    companion object {
        private val SETTINGS = listOf("fsync", "synchronous_commit", "full_page_writes", "data_checksums") +
            listOf("shared_buffers", "max_wal_size")

        fun of(server: Server): Machine = Machine(
            processor = line("/proc/cpuinfo", "model name") ?: System.getProperty("os.arch"),
            cores = Runtime.getRuntime().availableProcessors(),
            memory = line("/proc/meminfo", "MemTotal")?.let { "${it.substringBefore(' ').toLong() / 1024} MB" } ?: "?",
            system = "${System.getProperty("os.name")} ${System.getProperty("os.version")}",
            jvm = "${System.getProperty("java.vm.name")} ${System.getProperty("java.runtime.version")}",
            diskMicros = server.folder()?.let(::diskMicros),
            postgres = server.ask("show server_version"),
            host = hostsOf(server.url).joinToString(),
            settings = SETTINGS.associateWith { server.ask("show $it") },
            loadAverage = ManagementFactory.getOperatingSystemMXBean().systemLoadAverage,
        )

        /** Null for who may not know. */
        private fun Server.folder(): File? =
            ask("select coalesce(max(setting), '') from pg_settings where name = 'data_directory'")
                .takeIf { it.isNotEmpty() }
                ?.let(::File)

        /** The median of some hundred writes to a new file beside the server's folder. Null where it is not here. */
        private fun diskMicros(data: File): Double? {
            val folder = data.parentFile?.takeIf { data.isDirectory && it.canWrite() } ?: return null
            val file = File.createTempFile("bench", ".tmp", folder)
            try {
                RandomAccessFile(file, "rw").use { disk ->
                    disk.write(ByteArray(WRITES * PAGE))
                    disk.channel.force(true)
                    val nanos = List(WRITES) { i ->
                        val started = System.nanoTime()
                        disk.seek(i.toLong() * PAGE)
                        disk.write(ByteArray(PAGE) { 1 })
                        disk.channel.force(false)
                        (System.nanoTime() - started) / 1e3
                    }
                    return nanos.sorted().percentile(.5)
                }
            } finally {
                file.delete()
            }
        }

        private const val WRITES = 400
        private const val PAGE = 8_192

        private fun line(file: String, key: String): String? = File(file)
            .takeIf { it.canRead() }
            ?.useLines { lines -> lines.firstOrNull { it.startsWith(key) } }
            ?.substringAfter(':')
            ?.trim()
    }
}
