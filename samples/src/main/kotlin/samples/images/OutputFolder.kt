package samples.images

import java.nio.file.Path
import javax.imageio.ImageIO
import kotlin.io.path.createDirectories
import kotlin.io.path.deleteExisting
import kotlin.io.path.deleteIfExists
import kotlin.io.path.extension
import kotlin.io.path.listDirectoryEntries

/** The folder that everything a run writes is in. */
class OutputFolder(private val path: Path) {
    val pictures: Path = path.resolve("pictures").createDirectories()
    val thumbnails: Path = path.resolve("thumbnails").createDirectories()
    val index: Path = path.resolve("index.html")

    /** Throws away what an earlier run made: its own files only, whatever else lies there. */
    fun clear() {
        thumbnails.listDirectoryEntries("[0-9]*-[0-9]*.{jpg,tmp}").forEach { it.deleteExisting() }
        index.deleteIfExists()
    }

    fun log(worker: String): Path = path.resolve("worker-$worker.log")
}

/** The pictures in a folder of somebody's own, by name. */
fun picturesIn(folder: Path): List<Path> {
    val known = ImageIO.getReaderFileSuffixes().toSet()
    return folder
        .listDirectoryEntries()
        .filter { it.extension.lowercase() in known }
        .sorted()
}
