package chaos.plan

import java.security.MessageDigest
import kotlin.time.Duration

/**
 * What will go wrong in a run: the same for the same arguments, byte for byte, on every machine. Its text is one line
 * a fault, and can be read back.
 */
class FaultPlan(
    val seed: Long,
    val length: Duration,
    /** In the order in which they begin. */
    val faults: List<Fault>,
) {
    /** Stands for the whole text. */
    val hash: String by lazy {
        val digest = MessageDigest.getInstance("SHA-256").digest(toString().encodeToByteArray())
        digest.take(HASH_BYTES).joinToString("") { "%02x".format(it) }
    }

    val kinds: Set<FaultKind> get() = faults.mapTo(mutableSetOf()) { it.kind }

    override fun equals(other: Any?): Boolean = other is FaultPlan && other.toString() == toString()

    override fun hashCode(): Int = toString().hashCode()

    override fun toString(): String = PlanText.write(this)

    companion object {
        private const val HASH_BYTES = 6

        /** The plan of [seed] for [length] of chaos, aimed at `worker-1`… and `producer-1`…, without some kinds. */
        fun of(
            seed: Long,
            length: Duration,
            workers: Int,
            producers: Int,
            without: Set<FaultKind> = emptySet(),
        ): FaultPlan {
            val targets = Targets(
                workers = (1..workers).map { "worker-$it" },
                producers = (1..producers).map { "producer-$it" },
            )
            return FaultPlan(seed, length, Drawing(seed, length, targets, without).draw())
        }

        /** What [toString] wrote. */
        fun parse(text: String): FaultPlan = PlanText.read(text)
    }
}

/** The names of the processes that a fault may be aimed at. */
internal class Targets(val workers: List<String>, val producers: List<String>)
