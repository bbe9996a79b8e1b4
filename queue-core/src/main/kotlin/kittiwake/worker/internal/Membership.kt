package kittiwake.worker.internal

import kittiwake.KittiwakeSpi
import kittiwake.SchemaException
import kittiwake.internal.Health
import kittiwake.job.WorkerId
import kittiwake.store.JobStore
import kittiwake.worker.WorkerConfig
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import org.slf4j.LoggerFactory
import kotlin.random.Random

/** The place of a worker in the list of the living: how it gets there, and how it leaves. */
@OptIn(KittiwakeSpi::class)
internal class Membership(
    private val worker: WorkerId,
    private val config: WorkerConfig,
    private val store: JobStore,
    private val random: Random,
) {
    /** Tries until the store takes it in. It throws only what trying again would not mend. */
    suspend fun join() {
        val health = Health("Joining as worker $worker", log, random)
        while (true) {
            try {
                return store.join(worker, config.name, config.queues.mapTo(mutableSetOf()) { it.name }, config.lease)
            } catch (e: SchemaException) {
                throw e
            } catch (e: IllegalArgumentException) {
                throw e
            } catch (e: Exception) {
                currentCoroutineContext().ensureActive()
                delay(health.failed(e))
            }
        }
    }

    /**
     * If the process is killed before it has drained, or gives its claims up, its jobs are not to blame: unless one of
     * them is why it stops.
     */
    suspend fun announceStop(): Unit = trying("say that it stops") { store.stop(worker) }

    /** What nobody has come to take up, others may have now, not only when this worker leaves. */
    suspend fun returnHandedOver(): Unit = trying("give back what it was handed") { store.returnHandedOver(worker) }

    /** What is not done now is done later: by the heartbeat, by [leave], or by a rescue. */
    private suspend fun trying(what: String, block: suspend () -> Unit) {
        try {
            block()
        } catch (e: Exception) {
            currentCoroutineContext().ensureActive()
            log.debug("Worker {} could not {}", worker, what, e)
        }
    }

    suspend fun leave() {
        try {
            store.leave(worker)
        } catch (e: Exception) {
            currentCoroutineContext().ensureActive()
            log.warn(
                "Worker {} could not say goodbye; what it still holds is taken back after {}",
                worker, config.lease, e,
            )
        }
    }

    private companion object {
        val log = LoggerFactory.getLogger("kittiwake.worker")!!
    }
}
