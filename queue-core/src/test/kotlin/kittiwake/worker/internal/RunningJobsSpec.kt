package kittiwake.worker.internal

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.nulls.shouldBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.job.Interruption
import kittiwake.job.JobId
import kittiwake.testing.aClaim
import kotlinx.coroutines.Job
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.ConcurrentMap

@OptIn(KittiwakeSpi::class)
class RunningJobsSpec :
    FunSpec({
        test("tells its ids though the only job ends while it counts them") {
            val counted = Counted()
            val jobs = RunningJobs(counted)
            val job = jobs.begin(aClaim())
            counted.afterCount = { jobs.end(job) }
            jobs.ids shouldContainExactly setOf(job.claim.id)
        }

        test("interrupts what runs, and whatever still begins") {
            val jobs = RunningJobs()
            val running = jobs.begin(aClaim())
            val handler = Job().also(running::entered)
            jobs.interruptAll { Interruption.WorkerStopping() }
            handler.isCancelled shouldBe true
            val late = jobs.begin(aClaim(2))
            late.interruption.shouldBeInstanceOf<Interruption.WorkerStopping>()
            Job().also(late::entered).isCancelled shouldBe true
        }

        test("keeps the first reason to interrupt a job") {
            val jobs = RunningJobs()
            val job = jobs.begin(aClaim())
            job.interruption.shouldBeNull()
            jobs.interrupt(job.claim.id, Interruption.CancelledByUser())
            jobs.interrupt(job.claim.id, Interruption.LeaseLost())
            job.interruption.shouldBeInstanceOf<Interruption.CancelledByUser>()
        }

        test("a job either starts or is withdrawn, never both") {
            val jobs = RunningJobs()
            val started = jobs.begin(aClaim())
            started.start() shouldBe true
            started.withdraw() shouldBe false
            val withdrawn = jobs.begin(aClaim())
            withdrawn.withdraw() shouldBe true
            withdrawn.start() shouldBe false
            jobs.left() shouldContainExactly listOf(withdrawn)
        }
    })

/** Jobs of which something happens as soon as somebody has asked how many they are. */
private class Counted(private val map: ConcurrentMap<JobId, RunningJob> = ConcurrentHashMap()) :
    ConcurrentMap<JobId, RunningJob> by map {
    var afterCount: () -> Unit = {}

    override val keys: MutableSet<JobId>
        get() = object : MutableSet<JobId> by map.keys {
            override val size: Int get() = map.size.also { afterCount() }
        }
}
