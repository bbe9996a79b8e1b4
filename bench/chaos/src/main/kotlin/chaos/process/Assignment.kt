package chaos.process

import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import java.io.File
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** What a process of a run is told when it starts. */
@Serializable
class Assignment(
    /** "worker-2", "producer-1". */
    val name: String,
    /** Which process after another sits in that place. */
    val generation: Int,
    val jdbcUrl: String,
    val schema: String,
    val journal: String,
    val seed: Long,
    val pace: Pace = Pace(),
    /** No job ends this process. */
    val isWitness: Boolean = false,
) {
    fun encoded(): String = Json.encodeToString(serializer(), this)

    val journalFile: File get() = File(journal)

    companion object {
        fun decoded(text: String): Assignment = Json.decodeFromString(serializer(), text)
    }
}

/** How fast everything goes: the ratios of production, on a small scale. */
@Serializable
class Pace(
    val lease: Duration = 2.seconds,
    val heartbeatEvery: Duration = 500.milliseconds,
    val pollEvery: Duration = 300.milliseconds,
    val rescueEvery: Duration = 500.milliseconds,
    val shutdownGrace: Duration = 500.milliseconds,
    val cancelGrace: Duration = 500.milliseconds,
    /** Jobs a second and producer. */
    val offers: Int = 40,
)
