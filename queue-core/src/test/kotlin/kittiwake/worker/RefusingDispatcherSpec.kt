package kittiwake.worker

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.types.shouldBeInstanceOf
import kittiwake.KittiwakeSpi
import kittiwake.job.JobState
import kittiwake.job.JobType
import kittiwake.job.WorkerId
import kittiwake.job.job
import kittiwake.store.JobStore
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.testTimeSource
import kotlinx.coroutines.yield
import java.util.concurrent.Executor
import java.util.concurrent.RejectedExecutionException
import kotlin.time.Duration.Companion.seconds

/** Handlers on an executor that takes no more work: it was shut down, or is full. */
@OptIn(KittiwakeSpi::class)
class RefusingDispatcherSpec :
    FunSpec({
        test("end their worker with an error, and what was claimed is given back as it was") {
            virtually {
                val executor = Refusing()
                val type = job<Args>("q") { handle { } }
                val ran = enqueue(type, Args())
                val run =
                    test.launch {
                        shouldThrow<IllegalStateException> { workOn(executor, type) }
                            .message shouldContain "takes no more work"
                    }
                delay(10.seconds)
                stateOf(ran).shouldBeInstanceOf<JobState.Ended>()
                executor.isFull = true
                val others = List(3) { enqueue(type, Args()) }
                run.join()
                others.map { stateOf(it) } shouldBe List(3) { JobState.Ready }
                others.map { memory.find(it)!!.attempts } shouldBe List(3) { 0 }
            }
        }

        test("have it say that it stops, so that nobody is to blame if its process ends first") {
            val stopping = CompletableDeferred<WorkerId>()
            virtually({ store -> Listening(store, stopping) }) {
                val type = job<Args>("q") { handle { } }
                enqueue(type, Args())
                shouldThrow<IllegalStateException> { workOn(Refusing(isFull = true), type) }
                stopping.isCompleted shouldBe true
            }
        }

        test("fail the attempt that they refuse to go on with") {
            virtually {
                val executor = Refusing()
                val type =
                    job<Args>("q") {
                        handle {
                            executor.isFull = true
                            yield()
                        }
                    }
                val id = enqueue(type, Args())
                shouldThrow<IllegalStateException> { workOn(executor, type) }
                memory.find(id)!!.attempts shouldBe 1
            }
        }
    })

private class Refusing(var isFull: Boolean = false) : Executor {
    override fun execute(task: Runnable) {
        if (isFull) throw RejectedExecutionException("full") else task.run()
    }
}

@OptIn(KittiwakeSpi::class)
private class Listening(store: JobStore, private val stopping: CompletableDeferred<WorkerId>) : JobStore by store {
    override suspend fun stop(worker: WorkerId): Boolean = stopping.complete(worker)
}

/** Works jobs of [type] until it throws. */
@OptIn(KittiwakeSpi::class)
private suspend fun VirtualWorker.workOn(executor: Executor, type: JobType<Args, Unit>) {
    val worker =
        worker(store) {
            timeSource = test.testTimeSource
            queue("q")
            jobs(type)
        }
    worker.run(executor.asCoroutineDispatcher())
}
