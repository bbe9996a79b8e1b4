@file:OptIn(KittiwakeSpi::class)

package chaos.planted

import chaos.work.Deed
import chaos.work.DeedTypes
import chaos.work.Deeds
import kittiwake.KittiwakeSpi
import kittiwake.job.QueueName
import kotlinx.coroutines.runBlocking
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/** Sleepers look before there is anything to see, and go back to sleep until they would have looked anyway. */
val notifyBeforeCommit = PlantedBug(
    "notifies before the commit", check = "K16", pace = Miniature.pace(pollEvery = 4.seconds),
) { isPlanted ->
    val engine = MutatingDataSource(plain)
    worker("worker-1", engine) { db, journal -> Deeds(db, journal).bind(this) }
    awaitSleep(engine)
    val silent = Mutation("insert plain job", "where ?::boolean\n", "where ?::boolean is null\n")
    val producer = MiniatureProducer(this, MutatingDataSource(plain, listOfNotNull(silent.takeIf { isPlanted })))
    producer.offer(Deed.EXTERNAL, beforeCommit = {
        if (isPlanted) {
            val looks = engine.begun(LAST_LOOK)
            producer.kittiwake.wake(listOf(QueueName(DeedTypes.WORK)))
            runBlocking { waitUntil(LOOKS_WITHIN) { engine.begun(LAST_LOOK) > looks } }
        }
    })
}

/** Each queue is looked into at the start, before the sleep, and when the listener has begun to hear. */
private suspend fun awaitSleep(engine: MutatingDataSource) {
    waitUntil(LOOKS_WITHIN) { engine.begun(LAST_LOOK) >= 3 * QUEUES }
}

/** Before a queue goes to sleep it is asked for what will fall due. */
private const val LAST_LOOK = "promote jobs"
private const val QUEUES = 2
private val LOOKS_WITHIN: Duration = 5.seconds
