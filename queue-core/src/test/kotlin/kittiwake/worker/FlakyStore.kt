package kittiwake.worker

import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.job.JobId
import kittiwake.job.QueueName
import kittiwake.job.WorkerId
import kittiwake.store.Completion
import kittiwake.store.JobStore
import kittiwake.store.Promotion
import kittiwake.store.Pulse
import java.sql.SQLException

/** A store whose statements fail as long as [isDown] says so. */
@OptIn(KittiwakeSpi::class)
class FlakyStore(private val store: JobStore, private val isDown: () -> Boolean) : JobStore by store {
    private fun check() {
        if (isDown()) throw SQLException("the server is down", "57P03")
    }

    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> =
        check().run { store.claim(worker, queue, limit) }

    override suspend fun promote(queue: QueueName, limit: Int): Promotion = check().run { store.promote(queue, limit) }

    override suspend fun end(worker: WorkerId, jobs: List<Completion.End>): Set<JobId> =
        check().run { store.end(worker, jobs) }

    override suspend fun putBack(worker: WorkerId, jobs: List<Completion.Return>): Set<JobId> =
        check().run { store.putBack(worker, jobs) }

    override suspend fun beat(worker: WorkerId, running: Set<JobId>): Pulse =
        check().run { store.beat(worker, running) }
}

/** A store that tells how often somebody looks for jobs in it. */
@OptIn(KittiwakeSpi::class)
class CountingStore(private val store: JobStore, private val onLook: () -> Unit) : JobStore by store {
    override suspend fun claim(worker: WorkerId, queue: QueueName, limit: Int): List<ClaimedJob> {
        onLook()
        return store.claim(worker, queue, limit)
    }

    override suspend fun promote(queue: QueueName, limit: Int): Promotion {
        onLook()
        return store.promote(queue, limit)
    }
}
