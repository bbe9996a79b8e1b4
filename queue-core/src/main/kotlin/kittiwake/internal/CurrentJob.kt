package kittiwake.internal

import kotlinx.coroutines.CopyableThreadContextElement
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.currentCoroutineContext
import org.slf4j.MDC
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext

/**
 * Follows a handler over its threads: tells log lines whose they are, and enqueues who their parent is.
 *
 * A coroutine that works one job after another has one of these for all of them, and says by [during] which job it is
 * at, which is cheaper than a context for each job. Whatever a handler launches stays with its job.
 */
@OptIn(DelicateCoroutinesApi::class, ExperimentalCoroutinesApi::class)
internal class CurrentJob private constructor(private var job: Named?) :
    AbstractCoroutineContextElement(Key),
    CopyableThreadContextElement<CurrentJob.Named?> {
        /** At no job yet. */
        constructor() : this(null)

        constructor(id: Long, name: String) : this(Named(id, name))

        internal class Named(val id: Long, val name: String)

        override fun updateThreadContext(context: CoroutineContext): Named? = shown.get().also { show(job) }

        override fun restoreThreadContext(context: CoroutineContext, oldState: Named?): Unit = show(oldState)

        override fun copyForChild(): CurrentJob = CurrentJob(job)

        override fun mergeForChild(overwritingElement: CoroutineContext.Element): CoroutineContext = overwritingElement

        private fun turnTo(job: Named?) {
            this.job = job
            show(job)
        }

        companion object Key : CoroutineContext.Key<CurrentJob> {
            private val shown = ThreadLocal<Named?>()

            /** The job whose handler runs on this thread, or null. */
            fun idOrNull(): Long? = shown.get()?.id

            /** Runs [block] as what the job does, in a coroutine that was launched with one of these. */
            suspend inline fun <T> during(id: Long, name: String, block: () -> T): T {
                // Not the very one that it was launched with, but a copy.
                val current = checkNotNull(currentCoroutineContext()[Key]) { "This coroutine works no jobs" }
                current.turnTo(Named(id, name))
                try {
                    return block()
                } finally {
                    current.turnTo(null)
                }
            }

            private fun show(job: Named?) {
                shown.set(job)
                if (job == null) {
                    MDC.remove("job.id")
                    MDC.remove("job.name")
                } else {
                    MDC.put("job.id", job.id.toString())
                    MDC.put("job.name", job.name)
                }
            }
        }
    }
