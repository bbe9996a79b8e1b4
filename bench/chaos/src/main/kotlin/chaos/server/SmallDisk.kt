package chaos.server

import chaos.process.command
import chaos.process.isRoot
import java.io.IOException
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardOpenOption
import kotlin.io.path.createDirectory
import kotlin.io.path.deleteIfExists
import kotlin.io.path.outputStream

/**
 * A disk of its own for some tables, small enough to be filled: a tmpfs, which only root can make. Full, it takes no
 * new page; what is on it stays and can be read.
 */
class SmallDisk private constructor(private val mount: Path, private val server: CrashableServer) : AutoCloseable {
    private val ballast = mount.resolve("ballast")
    private val end = Thread { unmount() }.also(Runtime.getRuntime()::addShutdownHook)
    private val taken = mutableListOf<String>()

    /** Moves tables and their indexes here, before a worker starts. What only grows will fill the disk for good. */
    fun take(vararg tables: String) {
        tables.forEach { table ->
            val indexes = server.askAll(INDEXES.replace(":table", "'$table'"))
            (listOf("table $table") + indexes.map { "index $it" }).forEach { what ->
                server.execute("alter $what set tablespace $TABLESPACE")
            }
            taken += table
        }
    }

    /** Leaves no room in the pages of the tables, so that their next rows need new ones. The server must be up. */
    fun pack() {
        taken.forEach { server.execute("vacuum full $it") }
    }

    /** No room is left. What has been freed since it was full is taken as well. */
    fun fill() {
        val chunk = ByteArray(CHUNK)
        try {
            ballast.outputStream(StandardOpenOption.CREATE, StandardOpenOption.APPEND).use {
                while (true) it.write(chunk)
            }
        } catch (_: IOException) {
            // Full.
        }
    }

    /** There is room again. Nothing happens when it was not full. */
    fun free() {
        ballast.deleteIfExists()
    }

    /** After the server: the tables on it are gone. */
    override fun close() {
        unmount()
        try {
            Runtime.getRuntime().removeShutdownHook(end)
        } catch (_: IllegalStateException) {
            // This JVM is ending.
        }
    }

    private fun unmount() {
        command("umount", "-l", mount.toString())
        mount.deleteIfExists()
    }

    companion object {
        private const val TABLESPACE = "small_disk"
        private const val CHUNK = 1_048_576
        private const val INDEXES = "select indexrelid::regclass::text from pg_index where indrelid = :table::regclass"

        /** Null where this machine lets nobody mount a file system. */
        fun attach(server: CrashableServer, megabytes: Int = 256): SmallDisk? {
            if (!isRoot) return null
            val mount = Files.createTempDirectory("kittiwake-disk-")
            if (command("mount", "-t", "tmpfs", "-o", "size=${megabytes}m", "tmpfs", mount.toString()) != 0) {
                mount.deleteIfExists()
                return null
            }
            val disk = SmallDisk(mount, server)
            try {
                server.execute("create tablespace $TABLESPACE location '${mount.resolve("tables").createDirectory()}'")
            } catch (e: Exception) {
                disk.close()
                throw e
            }
            return disk
        }
    }
}
