package chaos.work

import kittiwake.job.JobType
import kittiwake.job.fixed
import kittiwake.job.job
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** The job types of a run. Producers enqueue them; workers bind what they do. */
object DeedTypes {
    const val WORK = "work"
    const val TROUBLE = "trouble"

    /** Two queues, so that what makes trouble shares workers, but not places, with what does not. */
    private val troublesome =
        setOf(
            Deed.FAILING, Deed.SLOW, Deed.LATE, Deed.SNOOZING, Deed.STUBBORN, Deed.POISON, Deed.UNREADABLE,
            Deed.UNKNOWN,
        )

    private val types: Map<Deed, JobType<DeedArgs, Unit>> =
        Deed.entries.associateWith { deed ->
            job<DeedArgs>(deed.title) {
                queue = queueOf(deed)
                retry = fixed(200.milliseconds)
                maxAttempts = if (deed == Deed.POISON) POISON_ATTEMPTS else ATTEMPTS
                if (deed == Deed.LATE) timeout = 1.seconds
                if (deed == Deed.KEYED) unique { it.key }
            }
        }

    /** The same name as [Deed.UNREADABLE], with args that its handler cannot read. */
    val unreadable = job<String>(Deed.UNREADABLE.title) { queue = TROUBLE }

    fun of(deed: Deed): JobType<DeedArgs, Unit> = types.getValue(deed)

    private fun queueOf(deed: Deed) = if (deed in troublesome) TROUBLE else WORK

    /** Faults use attempts up: enough that a job ends for what it is, not for what was done to it. */
    private const val ATTEMPTS = 50

    /** More than it takes to find out what it does. */
    private const val POISON_ATTEMPTS = 6
}
