package kittiwake.postgres

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.testing.TestDatabase
import kittiwake.testing.aWorkerOf
import kittiwake.testing.images
import kittiwake.testing.insertOne
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import javax.sql.DataSource
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** The fence of a transactional handler, which has to wait for somebody who writes about its job or its lease. */
@OptIn(KittiwakeSpi::class)
class FenceRaceSpec :
    FunSpec({
        val rivals =
            listOf(
                Rival("takes the lease away", "delete from %1\$s.lease", keepsTheClaim = false),
                Rival("returns the job", shrunk("array_remove(job_ids, %2\$d)"), keepsTheClaim = false),
                Rival("returns the other job", shrunk("array[%2\$d]::bigint[]"), keepsTheClaim = true),
                Rival("cancels the job", "delete from %1\$s.job where id = %2\$d", keepsTheClaim = false),
                Rival("changes the job", "update %1\$s.job set priority = 7 where id = %2\$d", keepsTheClaim = true),
            )
        for ((source, mark) in mapOf(
            TestDatabase.dataSource to "marked first",
            WatchedDataSource(TestDatabase.dataSource) to "not marked",
        )) {
            for (kept in listOf(ZERO, 7.days)) {
                for (rival in rivals) {
                    for (commits in listOf(true, false)) {
                        val ending = if (commits) "commits" else "rolls back"
                        test("$mark, kept for $kept: waits for one who ${rival.deed} and $ending") {
                            val kittiwake = autoClose(TestDatabase.kittiwake { retain(completed = kept) })
                            kittiwake.closes(source, rival, commits) shouldBe (rival.keepsTheClaim || !commits)
                        }
                    }
                }
            }
        }
    })

private class Rival(val deed: String, val sql: String, val keepsTheClaim: Boolean)

/** As "return jobs" does it. */
private fun shrunk(jobs: String) =
    "select from %1\$s.lease for update; update %1\$s.lease set job_ids = $jobs, attempts = array[1]"

/** Whether the fence lets the job be completed. If not, nothing has become of it. */
@OptIn(KittiwakeSpi::class)
private suspend fun Kittiwake.closes(source: DataSource, rival: Rival, commits: Boolean): Boolean = coroutineScope {
    val worker = aWorkerOf(store)
    repeat(2) { store.insertOne() }
    val claim = store.claim(worker, images, 2).first()
    TestDatabase.dataSource.connection.use { other ->
        source.connection.use { own ->
            listOf(own, other).forEach { it.autoCommit = false }
            fence().open(own, claim)
            other.createStatement().use { it.execute(rival.sql.format(schema, claim.id.value)) }
            val closing = async(Dispatchers.IO) { runCatching { fence().commit(own, claim, "1", 5.milliseconds) } }
            eventually(20.seconds) { TestDatabase.query("select pid from pg_locks where not granted").size shouldBe 1 }
            if (commits) other.commit() else other.rollback()
            val closed = closing.await()
            own.rollback()
            closed.onFailure { it.message!!.contains("was lost while its handler ran") shouldBe true }
            val left = TestDatabase.query("select id from $schema.job where id = ${claim.id.value}").size
            if (closed.isSuccess) left shouldBe 0
            closed.isSuccess
        }
    }
}
