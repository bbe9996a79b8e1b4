package chaos.check

import chaos.history.Business
import chaos.history.Change
import chaos.history.Change.Kind
import chaos.history.Effect
import chaos.history.Entry
import chaos.history.Footprint
import chaos.history.History
import chaos.history.LifeChange
import chaos.history.Outcome
import chaos.history.Rest
import chaos.history.Settings
import chaos.plan.Fault
import chaos.plan.FaultKind
import chaos.plan.Injected
import chaos.work.Deed
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant

/** A history as it is told: each word is a moment later than the one before, and right unless it says otherwise. */
fun history(tell: ToldHistory.() -> Unit): History = ToldHistory().apply(tell).told()

val start: Instant = Instant.parse("2026-01-01T12:00:00Z")

/** The lease of told histories. */
val lease: Duration = 2.seconds

/** The worker, its process and its journal have one name. */
class ToldHistory {
    private class Job(var counted: Int = 0, var claim: Change? = null, var end: Kind? = null)

    private val changes = mutableListOf<Change>()
    private val lives = mutableListOf<LifeChange>()
    private val journals = mutableMapOf<String, MutableList<Entry>>()
    private val businesses = mutableListOf<Business>()
    private val effects = mutableListOf<Effect>()
    private val faults = mutableListOf<Injected>()
    private val footprints = mutableMapOf<String, List<Footprint>>()
    private val jobs = mutableMapOf<Long, Job>()
    private var atRest: (Rest) -> Rest = { it }
    private var leases = 100L

    var now: Instant = start
    var planned: Set<FaultKind> = emptySet()

    fun after(time: Duration) {
        now += time
    }

    fun enqueued(
        job: Long,
        deed: Deed = Deed.EXTERNAL,
        name: String = deed.title,
        key: String? = null,
        parent: Long? = null,
        maxAttempts: Int = 20,
    ) {
        jobs[job] = Job()
        change(job, Kind.ENQUEUED, 0, null, null) {
            copy(name = name, key = key, parent = parent, maxAttempts = maxAttempts)
        }
    }

    fun claimed(job: Long, by: String = "ana", attempt: Int? = null) {
        val claim = change(job, Kind.CLAIMED, attempt ?: (of(job).counted + 1), ++leases, by)
        of(job).claim = claim
        of(job).counted = claim.attempt
    }

    fun failed(job: Long, by: String? = null, lease: Long? = null): Unit = over(job, Kind.FAILED, by, lease)

    fun putBack(job: Long, attempt: Int? = null): Unit = over(
        job, Kind.PUT_BACK,
        attempt =
            attempt ?: (of(job).counted - 1),
    )

    fun rescued(job: Long): Unit = over(job, Kind.RESCUED)

    fun completed(job: Long, by: String? = null, lease: Long? = null): Unit = over(job, Kind.COMPLETED, by, lease)

    fun discarded(job: Long): Unit = over(job, Kind.DISCARDED)

    fun cancelled(job: Long): Unit = over(job, Kind.CANCELLED)

    /** From its enqueue to its completion, with the execution. */
    fun done(job: Long, deed: Deed = Deed.EXTERNAL, by: String = "ana") {
        enqueued(job, deed)
        claimed(job, by)
        began(job)
        over(job)
        completed(job)
    }

    private fun over(job: Long, kind: Kind, by: String? = null, lease: Long? = null, attempt: Int? = null) {
        val claim = of(job).claim
        of(job).counted = attempt ?: of(job).counted
        of(job).claim = null
        if (kind.isEnd) of(job).end = kind
        change(job, kind, of(job).counted, lease ?: claim?.lease, by ?: claim?.worker)
    }

    private fun of(job: Long) = jobs.getOrPut(job) { Job() }

    private fun change(
        job: Long,
        kind: Kind,
        attempt: Int,
        lease: Long?,
        worker: String?,
        more: Change.() -> Change = { this },
    ): Change = Change(changes.size.toLong(), tick(), job, kind, attempt, lease, worker).more().also { changes += it }

    private fun tick(): Instant = now.also { now += 10.milliseconds }

    fun joined(worker: String): Unit = life(worker, LifeChange.Kind.JOINED, Duration.ZERO)

    fun gaveUp(worker: String, silentFor: Duration = lease): Unit = life(worker, LifeChange.Kind.GIVEN_UP, silentFor)

    fun left(worker: String): Unit = life(worker, LifeChange.Kind.LEFT, 1.seconds)

    fun beat(worker: String, silentFor: Duration): Unit = life(worker, LifeChange.Kind.BEAT, silentFor)

    private fun life(worker: String, kind: LifeChange.Kind, silentFor: Duration) {
        val at = tick()
        lives += LifeChange(lives.size.toLong(), at, worker, kind, at - silentFor)
    }

    /** The journal of [process] says [entry]. */
    fun noted(process: String, entry: (Instant) -> Entry) {
        journals.getOrPut(process) { mutableListOf() } += entry(tick())
    }

    /** A handler of the current claim begins, or one of a [lease] that is over. */
    fun began(job: Long, lease: Long? = null): Unit = claim(job, lease).let { claim ->
        noted(claim.worker!!) { Entry.Began(it, job, "a job", claim.attempt, claim.lease!!, claim.worker!!) }
    }

    fun over(job: Long, thrown: String? = null, lease: Long? = null): Unit = claim(job, lease).let { claim ->
        noted(claim.worker!!) { Entry.Over(it, job, claim.lease!!, thrown) }
    }

    /** The lease of the last claim of [job]. */
    fun leaseOf(job: Long): Long = claim(job, null).lease!!

    private fun claim(job: Long, lease: Long?) =
        changes.last { it.job == job && it.kind == Kind.CLAIMED && (lease == null || it.lease == lease) }

    fun told(process: String, job: Long, event: String, attempt: Int = 1): Unit =
        noted(process) { Entry.Told(it, job, attempt, event) }

    fun calledOff(job: Long, answer: String = "cancelled"): Unit =
        noted("producer-1") { Entry.CalledOff(it, job, answer) }

    fun started(process: String): Unit = noted(process) { Entry.Process(it, 1) }

    fun logged(process: String, vararg states: String, level: String = "WARNING", thrown: String? = null): Unit =
        noted(process) { Entry.Logged(it, level, "kittiwake", "something fails", thrown, states.toList()) }

    fun offered(business: Long, jobs: Int = 1, deed: Deed = Deed.EXTERNAL, key: String? = null): Unit =
        noted("producer-1") { Entry.Offered(it, business, jobs, deed.title, key) }

    fun settled(
        business: Long,
        outcome: Outcome,
        vararg ids: Long,
        isNew: List<Boolean> = ids.map { true },
        state: String? = null,
    ): Unit = noted("producer-1") { Entry.Settled(it, business, outcome, ids.toList(), isNew, state) }

    fun row(business: Long, jobs: Int = 1) {
        businesses += Business(business, jobs)
    }

    fun effect(job: Long, what: String = "moved", lease: Long = leaseOf(job)) {
        effects += Effect(job, claim(job, lease).attempt, lease, what)
    }

    fun strayEffect(job: Long) {
        effects += Effect(job, 1, 1, "moved")
    }

    fun fault(
        kind: FaultKind,
        target: String? = null,
        lasts: Duration = 1.seconds,
        strikes: Int = 1,
        note: String? = null,
        detail: String? = null,
    ) {
        faults += Injected(Fault(kind, now - start, lasts, target, detail), now, now + lasts, strikes, note)
    }

    fun weighed(process: String, vararg heaps: Long, every: Duration, threads: Int = 20, grows: Int = 0) {
        footprints[process] = heaps.mapIndexed { i, heap -> Footprint(start + every * i, heap, threads + i * grows, 5) }
    }

    fun rest(change: (Rest) -> Rest) {
        atRest = change
    }

    fun told(): History {
        val unfinished = jobs.filterValues { it.end == null }
        val (leased, waiting) = unfinished.entries.partition { it.value.claim != null }
        val archived = jobs.mapNotNull { (id, job) -> job.end?.let { id to listOf(it.name.lowercase()) } }
        val rest = Rest(
            ready = waiting.map { it.key },
            leased = leased.map { it.key },
            jobs = unfinished.keys.toList(),
            archived = archived.toMap(),
            footprints = footprints,
        )
        return History(
            Settings(lease, 500.milliseconds, 300.milliseconds, start, now, planned),
            changes, lives, journals, businesses, effects, faults, atRest(rest),
        )
    }
}

/** The same, with other [changes]. */
fun History.with(changes: List<Change>): History =
    History(settings, changes, lives, journals, businesses, effects, faults, rest)

/** The same, told other [settings]. */
fun History.with(settings: Settings): History =
    History(settings, changes, lives, journals, businesses, effects, faults, rest)
