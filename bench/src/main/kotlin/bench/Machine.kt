package bench

import kotlinx.serialization.Serializable
import java.io.File
import java.lang.management.ManagementFactory

/** Where the figures come from; without it they mean nothing. */
@Serializable
internal class Machine(
    val processor: String,
    val cores: Int,
    val memory: String,
    val system: String,
    val jvm: String,
    val postgres: String,
    val settings: Map<String, String>,
    val loadAverage: Double,
) {
    /** The same in short, for the foot of a chart. */
    fun lines(): List<String> = listOf(
        "$processor, $cores cores, $memory, $system. $jvm",
        "PostgreSQL $postgres on the same machine, ${settings.entries.joinToString { "${it.key}=${it.value}" }}",
    )

    override fun toString(): String =
        """
        |machine     $processor, $cores cores, $memory, $system
        |JVM         $jvm
        |PostgreSQL  $postgres (${settings.entries.joinToString { "${it.key}=${it.value}" }})
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
            postgres = server.ask("show server_version"),
            settings = SETTINGS.associateWith { server.ask("show $it") },
            loadAverage = ManagementFactory.getOperatingSystemMXBean().systemLoadAverage,
        )

        private fun line(file: String, key: String): String? = File(file)
            .takeIf { it.canRead() }
            ?.useLines { lines -> lines.firstOrNull { it.startsWith(key) } }
            ?.substringAfter(':')
            ?.trim()
    }
}
