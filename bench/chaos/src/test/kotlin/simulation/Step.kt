package simulation

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.ClaimedJob
import kittiwake.job.JobName
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.Completion
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.hours
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** One thing to do to a store, in words that mean the same to every store: jobs and claims are counted, not named. */
@OptIn(KittiwakeSpi::class)
sealed interface Step {
    data class Insert(val jobs: List<Form>) : Step

    /** What a job is like. */
    data class Form(val name: String, val queue: QueueName, val priority: Int, val key: String?, val delay: Duration?) {
        fun toJob(n: Int): NewJob = NewJob(
            JobName(name), queue, priority, """{"n":$n}""", maxAttempts = 3, delay = delay, uniqueKey = key,
            metadata = """{"n":"$n"}""",
        )
    }

    data class Join(val worker: Int, val id: WorkerId) : Step

    data class Claim(val worker: Int, val queue: QueueName, val limit: Int) : Step

    /** Also of claims that are over, or another's. */
    data class End(val worker: Int, val claims: List<Int>) : Step

    data class PutBack(val worker: Int, val claims: List<Int>) : Step

    data class Announce(val claim: Int) : Step

    data class Beat(val worker: Int, val jobs: List<Int>) : Step

    data class Leave(val worker: Int) : Step

    data class Stop(val worker: Int) : Step

    data class Rescue(val silentFor: Duration?) : Step

    data class Cancel(val job: Int) : Step

    data class Promote(val queue: QueueName) : Step

    data class Find(val job: Int) : Step

    data class TakeTurn(val task: String) : Step

    /** Whatever has a time is an hour older. */
    data object AnHourPasses : Step

    companion object {
        /** Longer than the steps of one sequence take. */
        val A_MOMENT = 4.seconds

        private val QUEUES = listOf(QueueName("a"), QueueName("b"))
        private const val WORKERS = 3

        fun random(dice: Random): Step {
            val worker = dice.nextInt(WORKERS)
            return when (dice.nextInt(100)) {
                in 0..14 -> Insert(List(dice.nextInt(1, 4)) { form(dice) })
                in 15..22 -> Join(worker, worker(dice))
                in 23..44 -> Claim(worker, QUEUES.random(dice), dice.nextInt(1, 5))
                in 45..54 -> End(worker, some(dice))
                in 55..64 -> PutBack(worker, some(dice))
                in 65..68 -> Announce(dice.nextInt(MANY))
                in 69..73 -> Beat(worker, some(dice))
                in 74..75 -> Leave(worker)
                76 -> Stop(worker)
                in 77..82 -> Rescue(listOf(Duration.ZERO, A_MOMENT, null).random(dice))
                in 83..87 -> Cancel(dice.nextInt(MANY))
                in 88..91 -> Promote(QUEUES.random(dice))
                in 92..94 -> Find(dice.nextInt(MANY))
                95 -> TakeTurn(listOf("rescue", "prune").random(dice))
                else -> AnHourPasses
            }
        }

        private fun form(dice: Random) = Form(
            listOf("resize", "mail").random(dice),
            QUEUES.random(dice),
            priority = listOf(0, 0, 0, 5, -5).random(dice),
            key = listOf(null, null, "k1", "k2").random(dice),
            delay = listOf(null, null, null, Duration.ZERO, 90.minutes).random(dice),
        )

        fun worker(dice: Random): WorkerId = WorkerId(
            "%08x-0000-4000-8000-%012x".format(dice.nextInt(), dice.nextLong() and 0xffff_ffff_ffffL),
        )

        private fun some(dice: Random) = List(dice.nextInt(1, 4)) { dice.nextInt(MANY) }.distinct()

        /** An index counts round, from the newest back. */
        private const val MANY = 8
    }
}

/** How an attempt ends is its own: whoever repeats it says the same. */
@OptIn(KittiwakeSpi::class)
fun endOf(claim: ClaimedJob, n: Int): Completion.End = when (n % 3) {
    0 -> Completion.Discarded(claim, 5.milliseconds, "no use")
    else -> Completion.Succeeded(claim, 5.milliseconds, "\"done $n\"")
}

@OptIn(KittiwakeSpi::class)
fun returnOf(claim: ClaimedJob, n: Int): Completion.Return = when (n % 5) {
    0 -> Completion.Failed(claim, 5.milliseconds, "it broke", Duration.ZERO)
    1 -> Completion.Failed(claim, 5.milliseconds, "it broke", 1.hours)
    2 -> Completion.Snoozed(claim, 5.milliseconds, Duration.ZERO)
    3 -> Completion.Snoozed(claim, 5.milliseconds, 1.hours)
    else -> Completion.Released(claim, Duration.ZERO)
}
