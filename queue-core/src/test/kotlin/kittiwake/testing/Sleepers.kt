package kittiwake.testing

import io.kotest.assertions.nondeterministic.eventually
import io.kotest.matchers.shouldBe
import kittiwake.postgres.Kittiwake
import kotlin.time.Duration.Companion.seconds

/** Waits until a worker holds the lock that says that it sleeps in [queue]: from then on it is told of every job. */
suspend fun Kittiwake.awaitSleepIn(queue: String): Unit = eventually(20.seconds) {
    val locks =
        """
        select count(*)
        from pg_locks, (select $schema.sleep_key('$queue') as key) as queue
        where locktype = 'advisory' and mode = 'ShareLock' and granted
          and (classid::bigint << 32 | objid::bigint) = queue.key
        """.trimIndent()
    TestDatabase.query(locks).single() shouldBe "1"
}
