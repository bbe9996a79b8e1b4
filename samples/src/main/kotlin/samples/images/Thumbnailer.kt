package samples.images

import java.awt.Dimension
import java.awt.RenderingHints
import java.awt.image.BufferedImage
import java.io.ByteArrayInputStream
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardCopyOption.REPLACE_EXISTING
import java.util.UUID
import javax.imageio.ImageIO
import kotlin.io.path.deleteIfExists
import kotlin.io.path.name
import kotlin.io.path.readBytes
import kotlin.math.max
import kotlin.math.min
import kotlin.math.roundToInt

/** The file was read, but what it holds is no picture: trying again would not help. */
class CorruptImageException(file: Path, cause: Exception? = null) :
    Exception("${file.name} is no whole picture: ${cause?.message ?: "its format is unknown"}", cause)

/**
 * Writes [source] to [target] as a JPEG [maxWidth] pixels wide, or as wide as it is when that is less, and returns its
 * size. A target that exists is replaced.
 */
fun makeThumbnail(source: Path, maxWidth: Int, target: Path): Dimension {
    val picture = readPicture(source)
    val width = min(maxWidth, picture.width)
    val thumbnail = picture.scaledTo(width, max(1, (picture.height.toDouble() * width / picture.width).roundToInt()))
    // Under a name of its own until it is whole: nobody ever sees half a thumbnail, even when this process is killed.
    val unfinished = target.resolveSibling("${target.name}.${UUID.randomUUID()}.tmp")
    try {
        ImageIO.write(thumbnail, "jpg", unfinished.toFile())
        Files.move(unfinished, target, ATOMIC_MOVE, REPLACE_EXISTING)
    } finally {
        unfinished.deleteIfExists()
    }
    return Dimension(thumbnail.width, thumbnail.height)
}

/** The size of a picture as the head of its file has it; null when there is no such head. */
fun sizeOf(file: Path): Dimension? = ImageIO.createImageInputStream(file.toFile()).use { input ->
    val reader = ImageIO.getImageReaders(input).asSequence().firstOrNull() ?: return null
    try {
        reader.input = input
        Dimension(reader.getWidth(0), reader.getHeight(0))
    } catch (_: IOException) {
        null
    } finally {
        reader.dispose()
    }
}

private fun readPicture(file: Path): BufferedImage {
    // Read first, decoded then: a disk that is away is worth another attempt, a broken picture is not.
    val bytes = file.readBytes()
    val picture =
        try {
            ImageIO.read(ByteArrayInputStream(bytes))
        } catch (e: Exception) {
            throw CorruptImageException(file, e)
        }
    return picture ?: throw CorruptImageException(file)
}

/** Halves until less than a half is left to do: one big step would leave out most pixels. */
private fun BufferedImage.scaledTo(targetWidth: Int, targetHeight: Int): BufferedImage {
    var step = this
    while (step.width > 2 * targetWidth) step = step.drawn(step.width / 2, max(1, step.height / 2))
    return step.drawn(targetWidth, targetHeight)
}

private fun BufferedImage.drawn(newWidth: Int, newHeight: Int): BufferedImage {
    val drawn = BufferedImage(newWidth, newHeight, BufferedImage.TYPE_INT_RGB)
    val pen = drawn.createGraphics()
    pen.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR)
    pen.drawImage(this, 0, 0, newWidth, newHeight, null)
    pen.dispose()
    return drawn
}
