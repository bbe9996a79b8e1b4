package chaos

import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** What a run is told on the command line. */
class Options(val seed: Long, val length: Duration) {
    /** The words that make the same run again. */
    override fun toString(): String = "--seed=$seed --length=$length"

    companion object {
        val usage =
            """
            Options: --seed=N      the plan, the jobs and their order follow from it (default: a fresh one)
                     --length=45s  how long faults are injected; warm-up, drain and checks come on top (default: 45s)
            """.trimIndent()

        private val shortest = 10.seconds
        private val default = 45.seconds

        /** Throws an [IllegalArgumentException] that says what was not understood. */
        fun parse(arguments: Array<String>): Options {
            val values =
                arguments.associate { argument ->
                    val (name, value) = argument.split('=', limit = 2).also {
                        require(it.size == 2) { "\"$argument\" is not of the form --name=value" }
                    }
                    name to value
                }
            val unknown = values.keys - setOf("--seed", "--length")
            require(unknown.isEmpty()) { "Unknown options: $unknown" }
            val seed = values["--seed"]?.let {
                requireNotNull(it.toLongOrNull()) { "--seed must be a number, but was $it" }
            }
            val length = values["--length"]?.let {
                requireNotNull(Duration.parseOrNull(it)) {
                    "--length must be a duration such as 45s or 15m, but was $it"
                }
            } ?: default
            require(length >= shortest) { "--length must be at least $shortest, but was $length" }
            return Options(seed ?: Random.nextLong(0, FRESH_SEEDS), length)
        }

        private const val FRESH_SEEDS = 1_000_000_000L
    }
}
