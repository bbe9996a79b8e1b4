package kittiwake.internal

import kotlinx.coroutines.ThreadContextElement
import org.slf4j.MDC
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext

/** Follows a handler over its threads: tells log lines whose they are, and enqueues who their parent is. */
internal class CurrentJob(private val id: Long, private val name: String) :
    AbstractCoroutineContextElement(Key),
    ThreadContextElement<CurrentJob?> {
    override fun updateThreadContext(context: CoroutineContext): CurrentJob? = running.get().also { enter() }

    override fun restoreThreadContext(context: CoroutineContext, oldState: CurrentJob?) {
        if (oldState != null) return oldState.enter()
        running.remove()
        MDC.remove("job.id")
        MDC.remove("job.name")
    }

    private fun enter() {
        running.set(this)
        MDC.put("job.id", id.toString())
        MDC.put("job.name", name)
    }

    companion object Key : CoroutineContext.Key<CurrentJob> {
        private val running = ThreadLocal<CurrentJob?>()

        /** The job whose handler runs on this thread, or null. */
        fun idOrNull(): Long? = running.get()?.id
    }
}
