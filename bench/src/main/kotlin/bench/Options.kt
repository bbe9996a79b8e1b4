package bench

/** The command line: names of questions, and options that start with two dashes. */
internal class Options(
    val questions: List<String>,
    val jdbcUrl: String?,
    val runs: Int,
    val jobs: Int?,
    val only: String?,
    val statements: Boolean,
    val workerJvm: List<String>,
    val concurrency: Int?,
    val prefetch: Int?,
) {
    /** Whether [way], by its name, is among what was asked for. */
    fun wants(way: String): Boolean = only == null || only.split('|').any { it in way }

    companion object {
        private val NAMES =
            setOf("jdbc-url", "runs", "jobs", "only", "statements", "worker-jvm", "concurrency", "prefetch")

        /** Throws an [IllegalArgumentException] that says what was not understood. */
        fun parse(arguments: Array<String>): Options {
            val (named, asked) = arguments.filter { it.isNotBlank() }.partition { it.startsWith("--") }
            val values = named.associate { it.removePrefix("--").substringBefore('=') to it.substringAfter('=', "") }
            val known = bench.questions.map { it.name }
            (values.keys - NAMES).forEach { throw IllegalArgumentException("There is no option --$it") }
            (asked - known.toSet()).forEach { throw IllegalArgumentException("There is no question \"$it\"") }

            fun number(name: String, from: Int): Int? = values[name]?.let {
                val number = it.toIntOrNull()
                require(number != null && number >= from) { "--$name must be a number from $from, but was \"$it\"" }
                number
            }
            return Options(
                questions = asked.ifEmpty { known },
                jdbcUrl = values["jdbc-url"],
                runs = number("runs", from = 1) ?: 3,
                jobs = number("jobs", from = 10_000),
                only = values["only"],
                statements = "statements" in values,
                workerJvm = values["worker-jvm"].orEmpty().split(' ').filter { it.isNotEmpty() },
                concurrency = number("concurrency", from = 1),
                prefetch = number("prefetch", from = 0),
            )
        }

        fun usage(questions: List<Question>): String =
            """
            |Questions (none named: all of them)
            |${questions.joinToString("\n") { "  ${it.name.padEnd(10)} ${it.asks}" }}
            |
            |Options
            |  --jdbc-url=…         a server of yours instead of the embedded one, with a user that may say `checkpoint`;
            |                       the schema "$SCHEMA" in it is dropped
            |  --runs=3             how often each is measured
            |  --jobs=…             another number of jobs, for a try: not of steady, latency and depth
            |  --only=…             only what contains this, with its limit: a group, a way, a setting; or one of this|that
            |  --concurrency=…      measures drain and steady with this setting only; with --prefetch=…
            |  --statements         what each statement cost, from pg_stat_statements; it takes some speed away
            |  --worker-jvm=…       options for the worker's JVM, separated by spaces: a profiler, a collector
            """.trimMargin()
    }
}
