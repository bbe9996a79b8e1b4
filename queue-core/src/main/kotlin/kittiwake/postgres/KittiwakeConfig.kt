package kittiwake.postgres

import kittiwake.KittiwakeDsl
import kittiwake.internal.checkConfig
import kittiwake.job.Retention
import kittiwake.job.SUSPECT_AFTER
import kotlin.time.Duration

/** The block of [Kittiwake.connect]. */
@KittiwakeDsl
public class KittiwakeBuilder internal constructor() {
    /** The schema its tables live in: 1 to 48 of a-z, 0-9 and _, always quoted. Default: "kittiwake". */
    public var schema: String = "kittiwake"

    /**
     * How many connections the engine's statements use beside the user's pool. A worker takes three more, or
     * one more without [notifications]. One queue uses up to four at a time, each further busy one may use one more:
     * with fewer they wait for each other, with more the server has processes that wait. Default: 4.
     */
    public var poolSize: Int = DEFAULT_POOL_SIZE

    /**
     * Whether the server tells sleeping workers of new jobs. Default: true.
     *
     * Without, the engine keeps nothing in a session of the server: it listens to nothing, holds no lock between
     * transactions, notifies nobody, and its settings end with each transaction. That is what a pooler in transaction
     * mode (PgBouncer) and prepared transactions (two-phase commit) ask for. Workers of this process are still told of
     * what it commits itself; all other jobs are found when a worker polls: lower its `pollEvery` if that is too late.
     */
    public var notifications: Boolean = true

    /**
     * A job that is to blame for so many crashes of workers is discarded, although it has attempts left: it would go on
     * ending the process that runs it. At least 3, for the third crash is the first whose cause is known; null: only
     * its attempts end such a job. All processes should say the same. Default: 3.
     */
    public var crashLimit: Int? = DEFAULT_CRASH_LIMIT

    private var retention = Retention.Default

    /**
     * How long ended jobs stay in the archive, unless their type says otherwise. Each is a row there, which its end has
     * to write: with `completed = Duration.ZERO` a full queue empties one and a half times as fast (benchmark `drain`),
     * and nobody can look up what became of a job. Default: completed 7 days, failed 30 days.
     */
    public fun retain(completed: Duration = retention.completed, failed: Duration = retention.failed) {
        retention = Retention(completed, failed)
    }

    internal fun build(): KittiwakeConfig {
        var name: Schema? = null
        checkConfig("Kittiwake") {
            name = valid { Schema(schema).name }?.let(::Schema)
            rule(crashLimit.let { it == null || it > SUSPECT_AFTER }) {
                "crashLimit must be at least ${SUSPECT_AFTER + 1}, or null for none, but was $crashLimit. " +
                    "The jobs beside it are not told apart from the culprit before crash ${SUSPECT_AFTER + 1}"
            }
            rule(poolSize in 1..MAX_POOL_SIZE) { "poolSize must be between 1 and $MAX_POOL_SIZE, but was $poolSize" }
        }
        return KittiwakeConfig(checkNotNull(name), poolSize, notifications, retention, crashLimit)
    }

    private companion object {
        const val DEFAULT_POOL_SIZE = 4
        const val MAX_POOL_SIZE = 100
        const val DEFAULT_CRASH_LIMIT = 3
    }
}

internal class KittiwakeConfig(
    val schema: Schema,
    val poolSize: Int,
    val notifications: Boolean,
    val retention: Retention,
    val crashLimit: Int?,
)
