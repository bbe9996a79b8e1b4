package chaos.history

import kotlinx.serialization.json.Json
import java.io.File
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.file.StandardOpenOption
import kotlin.time.Clock
import kotlin.time.Instant

/**
 * The journal of one process: an entry is a line, written at once, so that what happened before the process was killed
 * is there.
 */
class Journal(file: File) {
    private val channel =
        FileChannel.open(file.toPath(), StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND)

    fun note(entry: (at: Instant) -> Entry) {
        val line = JSON.encodeToString(Entry.serializer(), entry(Clock.System.now())) + "\n"
        val bytes = ByteBuffer.wrap(line.encodeToByteArray())
        synchronized(this) { while (bytes.hasRemaining()) channel.write(bytes) }
    }

    companion object {
        private val JSON = Json

        /** All entries of [file]; a last line that was cut off by a kill does not count. */
        fun read(file: File): List<Entry> {
            val lines = file.readText().split('\n')
            return lines.dropLast(1).mapNotNull {
                if (it.isEmpty()) {
                    null
                } else {
                    JSON
                        .decodeFromString(Entry.serializer(), it)
                }
            }
        }
    }
}
