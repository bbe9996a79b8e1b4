package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.job.Ending
import kittiwake.job.JobState
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.milliseconds

@Serializable
data class A(val n: Int)

class SmokeSpec : FunSpec({
    test("works") {
        val k = TestDatabase.kittiwake()
        val t = job<A, Int>("sum") {
            retry = fixed(10.milliseconds)
            handle { if (attempt < 3) error("not yet") else it.n + 1 }
        }
        val w = k.worker { queue("sum"); jobs(t) }
        val run = launch { w.run() }
        val ref = k.submit(t, A(1))
        val job = k.awaitEnd(ref.id)!!
        println(job); println(job.failures)
        (job.state as JobState.Ended).ending shouldBe Ending.COMPLETED
        job.result shouldBe "2"
        run.cancelAndJoin()
        k.close()
    }
})
