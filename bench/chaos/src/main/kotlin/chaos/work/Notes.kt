package chaos.work

import chaos.history.Entry
import chaos.history.Journal
import kittiwake.KittiwakeSpi
import kittiwake.job.JobScope
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import java.sql.Connection

/** Notes that the handler of [job] begins, and how [block] was over. */
@OptIn(KittiwakeSpi::class)
inline fun <T> Journal.noting(job: JobScope, block: () -> T): T {
    val claim = job.claim
    note { Entry.Began(it, claim.id.value, claim.name, claim.attempt, claim.lease, claim.worker.value) }
    var thrown: String? = null
    try {
        return block()
    } catch (e: Throwable) {
        thrown = e.javaClass.name
        throw e
    } finally {
        note { Entry.Over(it, claim.id.value, claim.lease, thrown) }
    }
}

/** Leaves a row of this attempt in the transaction of its handler; nothing keeps it from being there twice. */
@OptIn(KittiwakeSpi::class)
context(tx: JdbcTransaction)
fun JobScope.effect(what: String) {
    val sql = "insert into chaos.effect (job, attempt, lease, what) values (?, ?, ?, ?)"
    (tx.connection.connection as Connection).prepareStatement(sql).use {
        it.setLong(1, id.value)
        it.setInt(2, attempt)
        it.setLong(3, claim.lease)
        it.setString(4, what)
        it.executeUpdate()
    }
}
