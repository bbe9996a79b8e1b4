package chaos.history

import chaos.plan.FaultKind
import chaos.plan.Injected
import kotlinx.serialization.Serializable
import kotlin.time.Duration
import kotlin.time.Instant

/** Everything that is known of a run when it is over and all is still. */
class History(
    val settings: Settings,
    /** In their order. */
    val changes: List<Change>,
    val lives: List<LifeChange>,
    /** By process: "worker-1", "producer-2". One process after another may have had a name. */
    val journals: Map<String, List<Entry>>,
    /** Rows that were committed together with jobs. */
    val businesses: List<Business>,
    val effects: List<Effect>,
    val faults: List<Injected>,
    val rest: Rest,
) {
    val byJob: Map<Long, List<Change>> by lazy { changes.groupBy { it.job } }

    inline fun <reified E : Entry> entries(): List<E> = journals.values.flatten().filterIsInstance<E>()
}

/** What the run was told, as far as a check depends on it. */
@Serializable
data class Settings(
    val lease: Duration,
    val rescueEvery: Duration,
    val pollEvery: Duration,
    /** When the faults began, and when the last was taken back. */
    val chaosFrom: Instant,
    val healedAt: Instant,
    /** What was to be done to the run. Without it, what was done. */
    val planned: Set<FaultKind> = emptySet(),
    /** Whether sleeping workers hear of new jobs, so that they need not poll for them. */
    val notifications: Boolean = false,
    /** How many jobs of one queue all workers can have at a time, claimed ahead included; null: not known. */
    val places: Int? = null,
)

/** A row of the application, inserted in the transaction that enqueued [jobs] jobs. */
@Serializable
data class Business(val id: Long, val jobs: Int)

/** A row that a handler wrote in its own transaction; no constraint keeps it from being written twice. */
@Serializable
data class Effect(val job: Long, val attempt: Int, val lease: Long, val what: String)

/** What is left when everything is drained. */
@Serializable
data class Rest(
    val ready: List<Long> = emptyList(),
    val scheduled: List<Long> = emptyList(),
    /** Jobs in a lease, whose row still exists. */
    val leased: List<Long> = emptyList(),
    /** Unfinished jobs. */
    val jobs: List<Long> = emptyList(),
    /** The endings of the ended ones: several when a job was archived twice. */
    val archived: Map<Long, List<String>> = emptyMap(),
    /** The sum over all accounts of the bank, and what it was at first. */
    val balance: Long = 0,
    val balanceAtFirst: Long = 0,
    /** Connections of the library that are in the middle of something. */
    val busyConnections: Int = 0,
    /** Listening connections, and how many there should be. */
    val listeners: Int = 0,
    val listenersExpected: Int = 0,
    /** Deadlocks that the server counted. */
    val deadlocks: Long = 0,
    /** Per process: heap after a collection, threads and connections, early and late in the run. */
    val footprints: Map<String, List<Footprint>> = emptyMap(),
)

/** What a process held at one moment. */
@Serializable
data class Footprint(val at: Instant, val heapBytes: Long, val threads: Int, val connections: Int)
