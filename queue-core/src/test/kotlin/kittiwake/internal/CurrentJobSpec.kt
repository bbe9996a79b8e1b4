package kittiwake.internal

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.withContext
import kotlinx.coroutines.yield

class CurrentJobSpec :
    FunSpec({
        test("a place shows the job it is at, over all its threads, and none in between") {
            withContext(Dispatchers.Default + CurrentJob()) {
                CurrentJob.idOrNull() shouldBe null
                for (id in 1L..3L) {
                    CurrentJob.during(id, "resize") {
                        repeat(100) {
                            yield()
                            CurrentJob.idOrNull() shouldBe id
                        }
                        withContext(Dispatchers.IO) { CurrentJob.idOrNull() shouldBe id }
                    }
                    CurrentJob.idOrNull() shouldBe null
                }
            }
            CurrentJob.idOrNull() shouldBe null
        }

        test("what a handler launches elsewhere keeps its job when the place goes on to the next") {
            val gate = CompletableDeferred<Unit>()
            withContext(Dispatchers.Default + CurrentJob()) {
                val straggler =
                    CurrentJob.during(1, "first") {
                        CoroutineScope(currentCoroutineContext().minusKey(Job)).async {
                            gate.await()
                            CurrentJob.idOrNull()
                        }
                    }
                CurrentJob.during(2, "second") {
                    gate.complete(Unit)
                    straggler.await() shouldBe 1
                    CurrentJob.idOrNull() shouldBe 2
                }
            }
        }

        test("a job that fails is not shown any longer") {
            withContext(CurrentJob()) {
                runCatching { CurrentJob.during(1, "first") { error("as told") } }.isFailure shouldBe true
                CurrentJob.idOrNull() shouldBe null
            }
        }
    })
