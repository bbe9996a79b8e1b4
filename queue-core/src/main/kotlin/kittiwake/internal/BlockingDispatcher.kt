package kittiwake.internal

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors

/**
 * Where blocking handlers run: virtual threads from JVM 21 on, before that as many threads as there are handlers
 * blocking.
 */
internal val blockingDispatcher: CoroutineDispatcher by lazy {
    val virtual = Executors::class.java.methods.find { it.name == "newVirtualThreadPerTaskExecutor" }
    (virtual?.invoke(null) as ExecutorService?)?.asCoroutineDispatcher()
        ?: Dispatchers.IO.limitedParallelism(MAX_BLOCKING_HANDLERS)
}

/** No limit of its own: a queue's concurrency is the limit. */
private const val MAX_BLOCKING_HANDLERS = 10_000
