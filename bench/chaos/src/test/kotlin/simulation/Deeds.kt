package simulation

import chaos.history.Entry
import chaos.work.Deed
import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.enqueue.newJob
import kittiwake.job.DecisionScope
import kittiwake.job.JobScope
import kittiwake.job.JobType
import kittiwake.job.Outcome
import kittiwake.job.exponential
import kittiwake.job.job
import kittiwake.worker.WorkerBuilder
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.delay
import kotlinx.coroutines.withContext
import kotlinx.serialization.Serializable
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** How long a job takes, and how often it does what is special about it. */
@Serializable
data class Doing(val millis: Long = 0, val times: Int = 0)

private fun type(deed: Deed, queue: String = "plain", attempts: Int = 20, timeout: Duration = Duration.INFINITE) =
    job<Doing>(deed.title) {
        this.queue = queue
        this.timeout = timeout
        maxAttempts = attempts
        retry = exponential(50.milliseconds, max = 1.seconds)
    }

private val external = type(Deed.EXTERNAL)
private val keyed = type(Deed.KEYED)
private val failing = type(Deed.FAILING, "troubled", attempts = 4)
private val slow = type(Deed.SLOW, "troubled")
private val late = type(Deed.LATE, "troubled", timeout = 1.seconds)
private val snoozing = type(Deed.SNOOZING)
private val stubborn = type(Deed.STUBBORN, "troubled")
private val poison = type(Deed.POISON, "troubled", attempts = 3)
private val unreadable = type(Deed.UNREADABLE)

private val types = listOf(external, keyed, failing, slow, late, snoozing, stubborn, poison, unreadable)

val queues = listOf("plain", "troubled")

class Flop : Exception("it was to fail", null, false, false)

/** A random job of the workload. */
@OptIn(KittiwakeSpi::class)
fun aJob(dice: Random, lease: Duration): NewJob {
    val beyond = lease.inWholeMilliseconds
    return when (dice.nextInt(100)) {
        in 0..44 -> external.new(dice, Doing(dice.nextLong(1, 200)))
        in 45..59 -> keyed.new(dice, Doing(dice.nextLong(1, 500)), key = "key-${dice.nextInt(5)}")
        in 60..71 -> failing.new(dice, Doing(dice.nextLong(1, 50), times = dice.nextInt(1, 7)))
        in 72..75 -> slow.new(dice, Doing(dice.nextLong(beyond, 2 * beyond)))
        in 76..81 -> late.new(dice, Doing(10, times = dice.nextInt(1, 3)))
        in 82..88 -> snoozing.new(dice, Doing(dice.nextLong(1, 100), times = 1))
        in 89..95 -> stubborn.new(dice, Doing(dice.nextLong(10, 2 * beyond)))
        in 96..97 -> unreadable.new(dice, Doing()).unreadable()
        98 -> poison.new(dice, Doing(dice.nextLong(1, 50)))
        else -> external.new(dice, Doing(1))
    }
}

@OptIn(KittiwakeSpi::class)
private fun JobType<Doing, *>.new(dice: Random, doing: Doing, key: String? = null): NewJob = newJob(doing) {
    uniqueKey = key
    if (dice.nextInt(4) == 0) priority = dice.nextInt(-2, 3)
    if (dice.nextInt(4) == 0) delay = dice.nextInt(3_000).milliseconds
}

@OptIn(KittiwakeSpi::class)
private fun NewJob.unreadable() =
    NewJob(name, queue, priority, "not what it should be", maxAttempts, delay, uniqueKey = uniqueKey)

/** Binds every deed to the [node] that does it. */
fun WorkerBuilder.work(node: Node) {
    for (type in types) {
        decide(type) { doing ->
            node.noted(this, doing) { act(checkNotNull(Deed.of(type.name.value)), doing, node) }
        }
    }
}

private suspend fun DecisionScope<Unit>.act(deed: Deed, doing: Doing, node: Node): Outcome<Unit> {
    when (deed) {
        Deed.STUBBORN -> withContext(NonCancellable) { delay(doing.millis) }
        Deed.LATE -> if (attempt <= doing.times) delay(1.seconds * 60)
        else -> delay(doing.millis)
    }
    if (deed == Deed.POISON) node.die()
    if (deed == Deed.FAILING && attempt <= doing.times) throw Flop()
    if (deed == Deed.SNOOZING && node.isFirstSnooze(id)) return snooze((doing.millis * 10).milliseconds)
    return done(Unit)
}

@OptIn(KittiwakeSpi::class)
private suspend fun <T> Node.noted(scope: JobScope, doing: Doing, act: suspend () -> T): T {
    val claim = scope.claim
    val job = claim.id.value
    journal(Entry.Began(now, job, claim.name, claim.attempt, claim.lease, claim.worker.value)) { "$doing" }
    var thrown: String? = null
    try {
        return act()
    } catch (e: Throwable) {
        thrown = e::class.simpleName
        throw e
    } finally {
        journal(Entry.Over(now, job, claim.lease, thrown))
    }
}
