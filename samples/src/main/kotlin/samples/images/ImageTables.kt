package samples.images

import org.jetbrains.exposed.v1.core.Table
import org.jetbrains.exposed.v1.core.dao.id.LongIdTable
import org.jetbrains.exposed.v1.core.java.javaUUID

/** The pictures that were imported. The size is unknown when not even the head of the file can be read. */
object Images : LongIdTable("image") {
    val path = text("path")
    val width = integer("width").nullable()
    val height = integer("height").nullable()
}

/** The thumbnails that exist. */
object Thumbnails : Table("thumbnail") {
    val image = reference("image_id", Images)
    val width = integer("width")
    val height = integer("height")
    val file = text("file")
    override val primaryKey = PrimaryKey(image, width)
}

/** Kittiwake's view of all jobs, unfinished and ended, for people and their queries. */
object Jobs : Table("jobs") {
    val id = long("id")
    val name = text("name")
    val state = text("state")
    val attempt = integer("attempt")
    val workerId = javaUUID("worker_id").nullable()
}

/** Kittiwake's list of workers: one row for each that lives or lately did. */
object Workers : Table("worker") {
    val id = javaUUID("id")
    val pid = long("pid")
}
