package bench

import kittiwake.enqueue.JobRef
import kittiwake.postgres.Kittiwake
import kotlinx.coroutines.runBlocking

/** A freshly migrated schema, for one run. */
internal class Tables(val server: Server, val kittiwake: Kittiwake) : AutoCloseable {
    /**
     * Stores [count] waiting jobs, in transactions of a thousand. No more than a few of them are in memory at a time: what
     * is measured next in this process would clear them away.
     */
    fun fill(count: Int, archive: Boolean): Ids {
        val type = noop(archive)
        return (0 until count)
            .asSequence()
            .chunked(IN_MEMORY) { numbers ->
                runBlocking { Ids.of(kittiwake.submitAll(type, numbers.map(::NoopArgs))) }
            }.reduce(Ids::plus)
    }

    /** As if nothing had been done here yet. */
    fun forgetArchive() {
        server.execute("truncate $SCHEMA.archive")
    }

    /** Throws unless just these jobs are done: not one is left, none is missing, none is there twice. */
    fun checkDone(ids: Ids, archive: Boolean) {
        checkDone(if (archive) ids.count else 0, "id between ${ids.first} and ${ids.last}")
    }

    /** Throws unless all jobs are done, and there were so many. */
    fun checkDone(jobs: Int) {
        checkDone(jobs, "true")
    }

    private fun checkDone(archived: Int, which: String) {
        checkNothingLeft()
        val found = server.ask(
            "select count(*) || ' ' || count(distinct id) from $SCHEMA.archive where ending = 'completed' and $which",
        )
        check(found == "$archived $archived") { "The archive has $found jobs, but should have $archived" }
    }

    /** Throws unless all jobs are done. */
    fun checkNothingLeft() {
        for (table in listOf("job", "ready", "scheduled", "lease")) {
            val left = server.ask("select count(*) from $SCHEMA.$table").toInt()
            check(left == 0) { "$left rows are left in $table" }
        }
    }

    /** Throws unless so many jobs wait, each with its ticket. */
    fun checkWaiting(jobs: Int) {
        val found = "select count(*) || ' ' || count(job_id) from $SCHEMA.job full join $SCHEMA.ready on job_id = id"
        val waiting = server.ask(found)
        check(waiting == "$jobs $jobs") { "$waiting jobs and tickets are there, but $jobs were enqueued" }
    }

    override fun close() {
        server.printStatements()
        kittiwake.close()
    }

    private companion object {
        const val IN_MEMORY = 10_000
    }
}

/** Jobs that were stored one after the other by one enqueuer. */
internal class Ids(val first: Long, val last: Long, val count: Int) {
    operator fun plus(later: Ids) = Ids(first, later.last, count + later.count)

    companion object {
        fun of(jobs: List<JobRef<*>>): Ids = Ids(jobs.first().id.value, jobs.last().id.value, jobs.size)
    }
}
