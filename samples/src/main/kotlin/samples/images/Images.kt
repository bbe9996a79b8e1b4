package samples.images

import com.github.ajalt.clikt.core.main
import kotlinx.coroutines.runBlocking
import java.awt.Dimension
import java.nio.file.Path
import kotlin.io.path.writeText

/**
 * Imports pictures, and watches two worker processes make thumbnails of them through everything that can go wrong: a
 * picture that is broken, a disk that is away for a while, and a worker that is killed in the middle of its work.
 */
fun main(args: Array<String>) = ImagesCommand().main(args)

/** What a run can be told. Without a [folder] it has pictures of its own: [count] of them, of this [size]. */
class Settings(
    val out: Path,
    val folder: Path? = null,
    val jdbcUrl: String? = null,
    val count: Int = MOTIFS.size,
    val size: Dimension = Dimension(2400, 1600),
)

/** Tells the story once, with all that it needs, and leaves nothing running behind. */
fun runImages(settings: Settings): Summary {
    val out = OutputFolder(settings.out).also { it.clear() }
    val renderer = PictureRenderer(out.pictures, settings.size)
    val pictures = settings.folder?.let(::picturesIn) ?: renderer.pictures(settings.count)
    println("Starting PostgreSQL and two workers")
    val summary = Server(settings.jdbcUrl).use { server ->
        ImageDatabase(server.jdbcUrl, poolSize = 3).use { database ->
            database.startAfresh()
            WorkerProcess("ana", concurrency = 4, server.jdbcUrl, out).use { ana ->
                WorkerProcess("ben", concurrency = 2, server.jdbcUrl, out).use { ben ->
                    runBlocking { Story(database, out, ana, ben).tell(pictures, renderer.corruptPicture()) }
                }
            }
        }
    }
    out.index.writeText(contactSheet(summary))
    return summary
}
