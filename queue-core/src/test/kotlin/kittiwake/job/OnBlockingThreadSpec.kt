package kittiwake.job

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import io.kotest.matchers.shouldNotBe
import kittiwake.KittiwakeSpi
import kittiwake.internal.blockingDispatcher
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import java.util.concurrent.CountDownLatch
import java.util.concurrent.Executors

@OptIn(KittiwakeSpi::class)
class OnBlockingThreadSpec :
    FunSpec({
        test("it moves there from another dispatcher") {
            val own = autoClose(Executors.newSingleThreadExecutor().asCoroutineDispatcher())

            withContext(own) {
                val here = Thread.currentThread()
                onBlockingThread { Thread.currentThread() } shouldNotBe here
            }
        }

        test("it stays where it is on a thread that may block") {
            withContext(blockingDispatcher) {
                val here = Thread.currentThread()
                onBlockingThread { Thread.currentThread() } shouldBe here
            }
        }

        context("cancelling interrupts it, and leaves no interrupt behind,") {
            suspend fun isInterrupted(on: CoroutineDispatcher): Boolean {
                val begun = CompletableDeferred<Unit>()
                val left = CompletableDeferred<Boolean>()
                withContext(on) {
                    val blocked =
                        launch {
                            try {
                                onBlockingThread {
                                    begun.complete(Unit)
                                    CountDownLatch(1).await()
                                }
                            } finally {
                                left.complete(Thread.currentThread().isInterrupted)
                            }
                        }
                    begun.await()
                    blocked.cancelAndJoin()
                }
                return left.await()
            }

            test("on a thread that may block") { isInterrupted(blockingDispatcher) shouldBe false }

            test("from another dispatcher") {
                isInterrupted(autoClose(Executors.newSingleThreadExecutor().asCoroutineDispatcher())) shouldBe false
            }
        }
    })
