package bench

import kittiwake.enqueue.JobRef
import kittiwake.postgres.Kittiwake
import kotlinx.coroutines.runBlocking

/** A freshly migrated schema, for one run. */
internal class Tables(val server: Server, val kittiwake: Kittiwake) : AutoCloseable {
    /** Stores [count] waiting jobs, in transactions of a thousand. */
    fun fill(count: Int, archive: Boolean): Ids =
        runBlocking { Ids.of(kittiwake.submitAll(noop(archive), List(count, ::NoopArgs))) }

    /** As if nothing had been done here yet. */
    fun forgetArchive() {
        server.execute("truncate $SCHEMA.archive")
    }

    /** Throws unless just these jobs are done: not one is left, none is missing, none is there twice. */
    fun checkDone(ids: Ids, archive: Boolean) {
        checkNothingLeft()
        val archived = server.ask(
            "select count(*) || ' ' || count(distinct id) from $SCHEMA.archive " +
                "where id between ${ids.first} and ${ids.last} and ending = 'completed'",
        )
        val expected = if (archive) ids.count else 0
        check(archived == "$expected $expected") { "The archive has $archived jobs, but $expected were done" }
    }

    /** Throws unless all jobs are done. */
    fun checkNothingLeft() {
        for (table in listOf("job", "ready", "scheduled", "lease")) {
            val left = server.ask("select count(*) from $SCHEMA.$table").toInt()
            check(left == 0) { "$left rows are left in $table" }
        }
    }

    /** Throws unless just these jobs wait, of all that were stored in their time. */
    fun checkWaiting(ids: Ids) {
        val waiting = server.ask(
            "select count(*) from $SCHEMA.job join $SCHEMA.ready on job_id = id " +
                "where id between ${ids.first} and ${ids.last}",
        )
        check(waiting.toInt() == ids.count) { "$waiting jobs wait, but ${ids.count} were enqueued" }
    }

    override fun close() {
        server.printStatements()
        kittiwake.close()
    }
}

/** Jobs that were stored one after the other by one enqueuer. */
internal class Ids(val first: Long, val last: Long, val count: Int) {
    companion object {
        fun of(jobs: List<JobRef<*>>): Ids = Ids(jobs.first().id.value, jobs.last().id.value, jobs.size)
    }
}
