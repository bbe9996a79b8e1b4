package bench.worker

import kotlinx.serialization.Serializable
import java.lang.management.ManagementFactory
import javax.management.ObjectName

/** What is alive on the heap of a process: bytes in all, and by class. */
@Serializable
internal class LiveHeap(val bytes: Long, val byClass: Map<String, Long>) {
    operator fun minus(before: LiveHeap) = LiveHeap(
        bytes = bytes - before.bytes,
        byClass = byClass.mapValues { (name, bytes) -> bytes - (before.byClass[name] ?: 0) },
    )

    /** Which classes have grown the most, by so many [jobs], for people. */
    fun largest(jobs: Int): String = byClass.entries
        .sortedByDescending { it.value }
        .take(LISTED)
        .joinToString("\n") { (name, bytes) -> "    %8.1f B  %s".format(bytes.toDouble() / jobs, name) }

    companion object {
        private const val LISTED = 30
        private val LINE = Regex("""\s*\d+:\s+\d+\s+(\d+)\s+(\S+).*""")

        /** What `jcmd GC.class_histogram` says, which collects the garbage first. */
        fun weigh(): LiveHeap {
            val histogram = ManagementFactory.getPlatformMBeanServer().invoke(
                ObjectName("com.sun.management:type=DiagnosticCommand"),
                "gcClassHistogram",
                arrayOf<Any?>(emptyArray<String>()),
                arrayOf(Array<String>::class.java.name),
            ) as String
            val classes = histogram.lines().mapNotNull(LINE::matchEntire).groupBy({ it.groupValues[2] }) {
                it.groupValues[1].toLong()
            }
            val byClass = classes.mapValues { (_, sizes) -> sizes.sum() }
            return LiveHeap(byClass.values.sum(), byClass)
        }
    }
}
