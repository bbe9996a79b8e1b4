package samples.images

import kittiwake.exposed.enqueue
import kittiwake.exposed.handleInTransaction
import kittiwake.job.JobScope
import kittiwake.worker.Worker
import org.jetbrains.exposed.v1.core.eq
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.select
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import org.jetbrains.exposed.v1.jdbc.upsert
import java.io.IOException
import java.nio.file.Path
import kotlin.concurrent.thread
import kotlin.io.path.Path
import kotlin.io.path.name
import kotlin.system.exitProcess
import kotlin.time.Duration.Companion.seconds

/** How many attempts at a job are to fail, to see it tried again. Metadata travels with a job and is its handler's. */
const val REHEARSED_FAILURES = "rehearsed-failures"

/** The environment variable for the database: its URL may hold a password, and command lines are for all to read. */
const val JDBC_URL = "IMAGES_JDBC_URL"

/** The worker process: works the queue until it is told to end, and then ends what it has begun. */
object ImageWorker {
    @JvmStatic
    fun main(args: Array<String>) {
        val (name, concurrency, thumbnails) = args
        endWithParent()
        ImageDatabase(System.getenv(JDBC_URL), poolSize = concurrency.toInt() + 1).use {
            it.worker(name, concurrency.toInt(), Path(thumbnails)).runUntilShutdown()
        }
    }
}

private fun ImageDatabase.worker(workerName: String, slots: Int, thumbnails: Path): Worker = kittiwake.worker {
    name = workerName
    queue(IMAGES) { concurrency = slots }

    handleBlocking(resize) { args ->
        rehearseFailure()
        val target = thumbnails.resolve("${args.imageId}-${args.width}.jpg")
        val size = makeThumbnail(pathOf(args.imageId, db), args.width, target)
        transaction(db) { record.enqueue(RecordArgs(args.imageId, size.width, size.height, target.name)) }
    }

    handleInTransaction(record, db) { args ->
        Thumbnails.upsert {
            it[image] = args.imageId
            it[width] = args.width
            it[height] = args.height
            it[file] = args.file
        }
    }

    // Far shorter than usual, so that nobody need watch for half a minute until a dead worker's jobs are taken back.
    lease = 3.seconds
    heartbeatEvery = 1.seconds
    rescueEvery = 1.seconds
}

private fun pathOf(imageId: Long, db: Database): Path = transaction(db) {
    Path(Images.select(Images.path).where { Images.id eq imageId }.single()[Images.path])
}

private fun JobScope.rehearseFailure() {
    val failures = metadata[REHEARSED_FAILURES]?.toInt() ?: 0
    if (attempt <= failures) throw IOException("The disk is away (rehearsed: attempt $attempt of $failures that fail)")
}

/** Standard input is a pipe from the parent, which ends with it, however it ends: so no worker is ever left behind. */
private fun endWithParent() {
    thread(isDaemon = true, name = "parent") {
        System.`in`.readAllBytes()
        exitProcess(0)
    }
}
