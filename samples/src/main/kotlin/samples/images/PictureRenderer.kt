package samples.images

import java.awt.Dimension
import java.awt.image.BufferedImage
import java.io.ByteArrayOutputStream
import java.nio.file.Path
import java.util.stream.IntStream
import javax.imageio.ImageIO
import kotlin.io.path.createDirectories
import kotlin.io.path.exists
import kotlin.io.path.writeBytes

/** Paints the pictures of those who have brought none, once: later runs find the files. */
class PictureRenderer(private val folder: Path, private val size: Dimension) {
    /** The first [count] motifs as files. */
    fun pictures(count: Int): List<Path> = MOTIFS.entries.take(count).map { (name, motif) ->
        val file = folder.resolve("${size.width}x${size.height}").createDirectories().resolve("$name.jpg")
        if (!file.exists()) {
            println("Painting $name")
            ImageIO.write(paint(motif, size), "jpg", file.toFile())
        }
        file
    }

    /** A picture whose upload broke off half way: its head is fine, so only who reads all of it finds out. */
    fun corruptPicture(): Path {
        val whole = ByteArrayOutputStream()
        ImageIO.write(paint(MOTIFS.getValue("sunset"), Dimension(600, 400)), "png", whole)
        val file = folder.resolve("broken-upload.png")
        file.writeBytes(whole.toByteArray().copyOf(whole.size() / 2))
        return file
    }

    private fun paint(motif: Motif, size: Dimension): BufferedImage {
        val picture = BufferedImage(size.width, size.height, BufferedImage.TYPE_INT_RGB)
        IntStream.range(0, size.height).parallel().forEach { row ->
            val y = row.toDouble() / size.height
            val colors = IntArray(size.width) { column -> motif.color(column.toDouble() / size.height, y) }
            picture.setRGB(0, row, size.width, 1, colors, 0, size.width)
        }
        return picture
    }
}
