package kittiwake.worker

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldContainExactly
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.JobId
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.Completion
import kittiwake.store.JobStore
import kotlinx.coroutines.delay
import java.sql.SQLException
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** A worker that gives up its claims because it cannot write how jobs ended, while it lives. */
@OptIn(KittiwakeSpi::class)
class GivenUpSpec :
    FunSpec({
        test("blames no job for a crash that was none") {
            var isDown = true
            val crashes = mutableListOf<Int>()
            virtually({ WritesNoEnd(it) { isDown } }) {
                val type =
                    job<Args>("images") {
                        handle { args ->
                            crashes += claim.crashes
                            if (args.n > 0) delay(3.minutes)
                        }
                    }
                repeat(2) { enqueue(type, Args(it)) }
                val run =
                    run {
                        queue("images")
                        jobs(type)
                        rescueEvery = 1.seconds
                    }
                delay(40.seconds)
                isDown = false
                delay(5.minutes)
                run.stop()
                count<JobEvent.LeaseLost>() shouldBe 2
                count<JobEvent.Completed>() shouldBe 2
                crashes shouldContainExactly listOf(0, 0, 0, 0)
            }
        }
    })

/** A store that writes no ends while it [isDown], and does all else. */
@OptIn(KittiwakeSpi::class)
private class WritesNoEnd(private val store: JobStore, private val isDown: () -> Boolean) : JobStore by store {
    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> {
        if (isDown()) throw SQLException("canceling statement due to lock timeout", "55P03")
        return store.end(worker, jobs)
    }
}
