package samples.readme

import kittiwake.exposed.attach
import kittiwake.exposed.enqueue
import kittiwake.job.JobSnapshot
import kittiwake.job.exponential
import kittiwake.job.jittered
import kittiwake.job.job
import kittiwake.job.limit
import kittiwake.postgres.Kittiwake
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.serialization.Serializable
import org.jetbrains.exposed.v1.core.dao.id.LongIdTable
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.SchemaUtils
import org.jetbrains.exposed.v1.jdbc.insertAndGetId
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import org.postgresql.ds.PGSimpleDataSource
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

object Uploads : LongIdTable("uploads") {
    val path = text("path")
}

@Serializable
data class ResizeArgs(val uploadId: Long, val width: Int)

val resize = job<ResizeArgs>("images") {
    retry = exponential(2.seconds, max = 10.minutes).jittered().limit(8)
    handle { args -> println("Upload ${args.uploadId}, ${args.width} pixels wide, attempt $attempt") }
}

suspend fun uploadAndResize(kittiwake: Kittiwake, db: Database): JobSnapshot? = coroutineScope {
    kittiwake.attach(db)
    val worker = kittiwake.worker {
        queue("images") { concurrency = 4 }
        jobs(resize)
    }
    val running = launch { worker.run() }
    val job = transaction(db) {
        val id = Uploads.insertAndGetId { it[path] = "gull.jpg" }
        resize.enqueue(ResizeArgs(id.value, width = 640))
    }
    kittiwake.awaitEnd(job.id).also { running.cancelAndJoin() }
}

suspend fun main() {
    val dataSource = PGSimpleDataSource().apply { setURL(System.getenv("JDBC_URL")) }
    val db = Database.connect(dataSource)
    transaction(db) { SchemaUtils.create(Uploads) }
    Kittiwake.connect(dataSource).use { kittiwake ->
        kittiwake.migrate()
        println(uploadAndResize(kittiwake, db))
    }
}
