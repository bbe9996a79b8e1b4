package kittiwake.internal

import kotlinx.coroutines.ThreadContextElement
import org.slf4j.MDC
import kotlin.coroutines.AbstractCoroutineContextElement
import kotlin.coroutines.CoroutineContext

/** Follows a handler over its threads: tells log lines whose they are, and enqueues who their parent is. */
internal class CurrentJob(private val id: Long, private val name: String) :
    AbstractCoroutineContextElement(Key),
    ThreadContextElement<Long?> {
    override fun updateThreadContext(context: CoroutineContext): Long? {
        val before = running.get()
        running.set(id)
        MDC.put("job.id", id.toString())
        MDC.put("job.name", name)
        return before
    }

    override fun restoreThreadContext(context: CoroutineContext, oldState: Long?) {
        MDC.remove("job.id")
        MDC.remove("job.name")
        if (oldState == null) running.remove() else running.set(oldState)
    }

    companion object Key : CoroutineContext.Key<CurrentJob> {
        private val running = ThreadLocal<Long?>()

        /** The job whose handler runs on this thread, or null. */
        fun idOrNull(): Long? = running.get()
    }
}
