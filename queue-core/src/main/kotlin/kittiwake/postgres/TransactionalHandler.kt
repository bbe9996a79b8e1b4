package kittiwake.postgres

import kittiwake.KittiwakeSpi
import kittiwake.job.HandlerBinding
import kittiwake.job.JobHandler
import kittiwake.job.JobScope
import kittiwake.job.Outcome
import kittiwake.job.onBlockingThread
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.ensureActive
import org.slf4j.LoggerFactory
import java.sql.Connection
import kotlin.time.TimeSource

/** A handler whose writes and the completion of its job are one transaction, which an integration opens. */
@KittiwakeSpi
public abstract class TransactionalHandler<A, R>(private val binding: HandlerBinding<A, R>) : JobHandler<A, R> {
    override val connections: Int get() = 1
    override val blocks: Boolean get() = true

    /** The fence of the queue that the job is in. */
    protected abstract fun fence(): ClaimFence

    /** Opens a transaction, runs [attempt] in it, commits by what that returns, and rolls back if anything throws. */
    protected abstract fun transact(attempt: Attempt<A, R>)

    override suspend fun JobScope.work(args: A): Outcome<R> {
        val attempt = Attempt(this, args, binding, fence())
        try {
            onBlockingThread { transact(attempt) }
        } catch (e: Exception) {
            if (!attempt.isCommitted) throw e
            // What goes wrong after the commit, or comes too late to interrupt it, changes nothing: the job is completed.
            if (e !is CancellationException) log.warn("{} is completed; what followed failed", claim, e)
        }
        return Outcome.Written
    }

    /** One attempt at [job], with its [args]. */
    public class Attempt<A, R> internal constructor(
        public val job: JobScope,
        public val args: A,
        private val binding: HandlerBinding<A, R>,
        private val fence: ClaimFence,
    ) {
        private val started = TimeSource.Monotonic.markNow()

        internal var isCommitted = false
            private set

        /**
         * Runs [work] in the transaction of [connection], and returns what completes the job and commits: to be called
         * when everything else is written. Called again it does nothing.
         */
        public fun run(connection: Connection, work: () -> R): () -> Unit {
            fence.open(connection, job.claim)
            val result = work()
            // A statement cannot be interrupted, and a handler may swallow that it was: too late is too late.
            job.ensureActive()
            val stored = binding.encode(result)
            return {
                if (!isCommitted) fence.commit(connection, job.claim, stored, started.elapsedNow())
                isCommitted = true
            }
        }
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}
