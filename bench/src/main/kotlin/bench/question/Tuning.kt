package bench.question

import bench.Bench
import bench.Options
import bench.worker.WorkerSettings

/** How a worker works its queue. Null: what the library does when nothing is said. */
internal class Tuning(val concurrency: Int?, val prefetch: Int?) {
    /** For a worker process whose ended jobs are kept. */
    fun settings(bench: Bench) = WorkerSettings(bench.server.url, archive = true, concurrency, prefetch)

    override fun toString(): String = listOfNotNull(
        concurrency?.let { "$it at once" },
        prefetch?.let { "$it ahead" },
    ).joinToString().ifEmpty { "default settings" }

    companion object {
        val DEFAULT = Tuning(null, null)

        /** For many short jobs. */
        val TUNED = Tuning(concurrency = 64, prefetch = 2_000)

        /** What the command line says instead of these two. */
        fun asked(options: Options): List<Tuning>? = Tuning(options.concurrency, options.prefetch)
            .takeIf { it.concurrency != null || it.prefetch != null }
            ?.let(::listOf)
    }
}
