package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.internal.forever
import kittiwake.job.ClaimedJob
import kittiwake.job.WorkerId
import kittiwake.store.JobStore
import kittiwake.store.Wakeups
import kittiwake.worker.QueueConfig
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull
import org.slf4j.LoggerFactory
import kotlin.random.Random
import kotlin.time.ComparableTimeMark
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/**
 * Keeps the slots of one queue filled: claims while there are jobs, promotes those that fall due, and sleeps when there
 * is nothing to do until the bell rings or the next job is due. While there are more jobs than it can claim, another
 * coroutine [help]s.
 */
@OptIn(KittiwakeSpi::class)
internal class ClaimLoop(
    private val queue: QueueConfig,
    private val worker: WorkerId,
    private val store: JobStore,
    private val slots: Slots,
    private val wakeups: Wakeups,
    private val bells: Bells,
    private val time: TimeSource.WithComparableMarks,
    private val random: Random,
    private val helping: Mutex,
    private val open: () -> Unit,
) {
    private val isBusy = MutableStateFlow(false)
    private var announced = false

    /** What is handed over may come before what was enqueued earlier: one job at a time keeps its order. */
    private val keepsOrder = queue.concurrency == 1
    private var fullClaims = 0
    private var nextDue: ComparableTimeMark = time.markNow()

    /** How late a busy queue may be for a job that it was not told of. */
    private var lookForDueEvery = LOOK_FOR_DUE_OFTEN

    /** Whether nothing can have been put off since we looked when the next job is due, or we would have been told. */
    private var isDueKnown = false

    suspend fun run(): Nothing = forever("Claiming from queue \"${queue.name}\"", log, random) {
        awaitRoom()
        if (nextDue.hasPassedNow()) promoteDue()
        val room = slots.first.ask()
        if (room == 0) return@forever
        if (claim(room) == room) becomeBusy() else rest()
    }

    /**
     * Claims beside [run] while jobs are done fast and each claim is filled: one waits for the disk, or its answer is
     * read, while the server works on the other. Of all queues of a worker one is [helping] at a time: where many are
     * busy, they overlap anyway, and completions need connections, too.
     */
    suspend fun help(): Nothing = forever("Claiming twice at once from queue \"${queue.name}\"", log, random) {
        isBusy.first { it }
        slots.second.awaitRoom()
        helping.withLock {
            if (!slots.isFlowing()) isBusy.value = false
            val room = if (isBusy.value) slots.second.ask() else 0
            if (room > 0 && claim(room) < room) isBusy.value = false
        }
    }

    /**
     * A claim is a resource: from its commit to its hand-over nothing may come between, not even our own cancellation.
     */
    private suspend fun claim(room: Int): Int = withContext(NonCancellable) {
        val begun = time.markNow()
        val claimed =
            try {
                store.claim(worker, queue.name, room)
            } catch (e: Throwable) {
                slots.giveUp(room)
                // What it had locked comes free, and nobody else may be awake to see it.
                bells.ring(queue.name)
                throw e
            }
        if (claimed.isNotEmpty()) log.debug("Claimed {} of {} from queue \"{}\"", claimed.size, room, queue.name)
        if (slots.take(claimed, asked = room, claimTook = begun.elapsedNow())) open()
        claimed.size
    }

    /** While all places are taken for long nobody needs to signal. Mostly there is room, and no timer is needed. */
    private suspend fun awaitRoom() {
        if (slots.first.hasRoom || withTimeoutOrNull(SATURATED) { slots.first.awaitRoom() } != null) return
        stopListening()
        slots.first.awaitRoom()
    }

    private suspend fun becomeBusy() {
        fullClaims = minOf(fullClaims + 1, BUSY_AFTER)
        if (fullClaims == BUSY_AFTER) {
            stopListening()
            isBusy.value = slots.isFlowing()
        }
        lookForDueSoon()
    }

    /** Busy queues are not told what is put off: they look now and then. */
    private fun lookForDueSoon() {
        nextDue = minOf(nextDue, time.markNow() + lookForDueEvery)
        isDueKnown = false
    }

    /** If it fails, nobody knows what was heard of it: before the next sleep it is announced anew. */
    private suspend fun stopListening() {
        if (!announced) return
        announced = false
        wakeups.busy(queue.name)
    }

    /**
     * The queue has nothing more. While jobs come fast there is no sleep between them, only a moment for some to come
     * together, and nobody needs to signal. Who is about to sleep says so first and looks once more: what is enqueued
     * from now on rings the bell.
     */
    private suspend fun rest() {
        fullClaims = 0
        isBusy.value = false
        if (slots.isFlowing()) {
            stopListening()
            lookForDueSoon()
            return delay(COLLECTING)
        }
        if (!announced) {
            wakeups.quiet(queue.name)
            announced = true
            isDueKnown = false
            return
        }
        if (!isDueKnown && promoteDue() > 0) return
        if (!keepsOrder) wakeups.offer(queue.name)
        val untilDue = (-nextDue.elapsedNow()).coerceAtLeast(Duration.ZERO)
        if (bells.await(queue.name, untilDue)) isDueKnown = false
    }

    private suspend fun promoteDue(): Int {
        val asked = time.markNow()
        val promotion = store.promote(queue.name, PROMOTION_BATCH)
        lookForDueEvery = (asked.elapsedNow() * LOOK_FOR_DUE_SHARE).coerceIn(LOOK_FOR_DUE_OFTEN, LOOK_FOR_DUE_SELDOM)
        val lookAgain = if (announced) Duration.INFINITE else lookForDueEvery
        val wait = if (promotion.moved == PROMOTION_BATCH) Duration.ZERO else promotion.nextDueIn ?: lookAgain
        nextDue = time.markNow() + wait.coerceAtMost(lookAgain)
        isDueKnown = true
        return promotion.moved
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!

        /** So many full claims in a row are load, not a burst: from then on signals would only cost the enqueuers. */
        const val BUSY_AFTER = 3
        const val PROMOTION_BATCH = 1_000
        val SATURATED = 100.milliseconds
        val COLLECTING = 2.milliseconds

        val LOOK_FOR_DUE_OFTEN = 100.milliseconds
        val LOOK_FOR_DUE_SELDOM = 1.seconds

        /** Far from the store, or over dead entries, a look takes long, and claims wait for it: a tenth of the time. */
        const val LOOK_FOR_DUE_SHARE = 10
    }
}
