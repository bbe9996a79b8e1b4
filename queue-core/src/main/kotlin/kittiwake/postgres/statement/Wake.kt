package kittiwake.postgres.statement

import kittiwake.KittiwakeSpi
import kittiwake.enqueue.NewJob
import kittiwake.job.QueueName
import kittiwake.postgres.NamedSql
import kittiwake.store.Inserted

/** Who is told of jobs that are inserted, and by whom. */
internal enum class Wake(val handsOver: Boolean, val notifies: Boolean) {
    /** A sleeping worker, by the server, when the transaction commits. */
    AT_COMMIT(handsOver = true, notifies = true),

    /** The worker that one job is handed over to, by the server; of all other jobs, somebody by the caller. */
    BY_CALLER(handsOver = true, notifies = false),

    /** Nobody: there are no notifications. */
    NEVER(handsOver = false, notifies = false),
}

/** Binds what a statement needs that may hand [job] over. */
@OptIn(KittiwakeSpi::class)
internal fun NamedSql.Binding.wake(wake: Wake, job: NewJob) {
    this["hands_over"] = wake.handsOver && job.mayBeHandedOver
    this["notifies"] = wake.notifies
}

/** The queues of those of [jobs] of which nobody hears by being handed one: there somebody may have to be told. */
@OptIn(KittiwakeSpi::class)
internal fun queuesUntold(jobs: List<NewJob>, inserted: List<Inserted>): Set<QueueName> =
    jobs.indices.filterNot { inserted[it].isHandedOver }.mapTo(mutableSetOf()) { jobs[it].queue }
