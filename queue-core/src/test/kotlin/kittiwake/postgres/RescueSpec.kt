package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.KittiwakeSpi
import kittiwake.testing.TestDatabase
import kittiwake.testing.aJob
import kittiwake.testing.aWorkerOf
import kittiwake.testing.images
import kittiwake.testing.insertOne
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlin.time.Duration.Companion.ZERO

@OptIn(KittiwakeSpi::class)
class RescueSpec :
    FunSpec({
        test("by several at once takes each claim back once, and blames each job once") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val store = kittiwake.store
            store.insert(List(60) { aJob() })
            val ana = aWorkerOf(store)
            repeat(20) { store.claim(ana, images, 3) }
            val rescued =
                coroutineScope {
                    List(4) {
                        async(Dispatchers.IO) { List(12) { store.rescue(silentFor = ZERO, limit = 2) }.flatten() }
                    }.awaitAll().flatten()
                }
            rescued.map { it.id }.distinct() shouldHaveSize 60
            rescued shouldHaveSize 60
            store.claim(aWorkerOf(store), images, 100).map { it.crashes } shouldBe List(60) { 1 }
        }
        test("blames nobody for what a race left behind when a worker left") {
            val kittiwake = autoClose(TestDatabase.kittiwake())
            val store = kittiwake.store
            val id = store.insertOne()
            val ana = aWorkerOf(store)
            store.leave(ana)
            TestDatabase.execute(
                """
                with taken as (delete from ${kittiwake.schema}.ready returning job_id)
                insert into ${kittiwake.schema}.lease (id, worker_id, job_ids, attempts)
                select 1, '${ana.value}', array[job_id], array[1] from taken
                """.trimIndent(),
            )
            store.rescue(silentFor = ZERO, limit = 10).single().id shouldBe id
            store.claim(aWorkerOf(store), images, 1).single().crashes shouldBe 0
        }
        test("knows no limit of crashes at which the culprit cannot be known yet") {
            shouldThrow<IllegalArgumentException> {
                Kittiwake.connect(TestDatabase.dataSource) { crashLimit = 2 }
            }.message shouldContain "crashLimit must be at least 3, or null for none, but was 2"
        }
    })
