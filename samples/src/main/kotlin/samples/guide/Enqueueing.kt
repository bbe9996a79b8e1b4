package samples.guide

import kittiwake.enqueue.JobRef
import kittiwake.exposed.enqueue
import kittiwake.exposed.enqueueAll
import kittiwake.postgres.Kittiwake
import org.jetbrains.exposed.v1.core.dao.id.LongIdTable
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.insertAndGetId
import org.jetbrains.exposed.v1.jdbc.transactions.suspendTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import javax.sql.DataSource
import kotlin.time.Clock
import kotlin.time.Duration.Companion.days
import kotlin.time.Duration.Companion.minutes

object Pictures : LongIdTable("guide_pictures") {
    val path = text("path")
}

/** In an Exposed transaction: the row and the job, or neither. */
fun importPicture(db: Database, path: String): JobRef<Thumbnail> = transaction(db) {
    val id = Pictures.insertAndGetId { it[Pictures.path] = path }
    thumbnail.enqueue(ThumbnailArgs(id.value, 640)) {
        priority = 20
        metadata["source"] = "upload"
    }
}

/** In a suspending one. */
suspend fun remindLater(db: Database): JobRef<Unit> = suspendTransaction(db) {
    mail.enqueue(MailArgs("ana@example.org", "Your trial ends")) { delay = 10.minutes }
}

/** A function of your own that needs a transaction says so. */
context(tx: JdbcTransaction)
fun welcome(address: String): JobRef<Unit> = mail.enqueue(MailArgs(address, "Welcome"))

fun register(db: Database, address: String): JobRef<Unit> = transaction(db) { welcome(address) }

/** Many at once: one statement for each thousand. */
fun thumbnailsOf(db: Database, imageId: Long, widths: List<Int>): List<JobRef<Thumbnail>> = transaction(db) {
    thumbnail.enqueueAll(widths.map { ThumbnailArgs(imageId, it) }) { args ->
        if (args.width < 100) priority = 50
    }
}

/** On a JDBC connection, in the transaction that it is in. */
fun mailWithJdbc(kittiwake: Kittiwake, dataSource: DataSource, address: String): JobRef<Unit> =
    dataSource.connection.use { connection ->
        connection.autoCommit = false
        val job = kittiwake.enqueue(connection, mail, MailArgs(address, "Your order"))
        connection.commit()
        job
    }

/** On its own: when it returns, the job is committed. */
suspend fun mailTomorrow(kittiwake: Kittiwake, address: String): JobRef<Unit> =
    kittiwake.submit(mail, MailArgs(address, "Good morning")) { runAt = Clock.System.now() + 1.days }

suspend fun mailAll(kittiwake: Kittiwake, addresses: List<String>): List<JobRef<Unit>> =
    kittiwake.submitAll(mail, addresses.map { MailArgs(it, "News") })
