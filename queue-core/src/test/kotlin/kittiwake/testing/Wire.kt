package kittiwake.testing

import org.postgresql.ds.PGSimpleDataSource
import java.io.IOException
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import java.util.concurrent.ConcurrentHashMap
import javax.sql.DataSource
import kotlin.concurrent.thread

/** The network between a worker and the server at [url], which a test can cut. */
class Wire(url: String) : AutoCloseable {
    private enum class State { WHOLE, CUT, MUTE }

    private val server = PGSimpleDataSource().also { it.setURL(url) }
    private val door = ServerSocket(0, BACKLOG, InetAddress.getLoopbackAddress())
    private val links = ConcurrentHashMap.newKeySet<Link>()

    @Volatile
    private var state = State.WHOLE

    /** The server at the other end. */
    val dataSource: DataSource =
        PGSimpleDataSource().also {
            it.setURL(url)
            it.serverNames = arrayOf(door.inetAddress.hostAddress)
            it.portNumbers = intArrayOf(door.localPort)
        }

    init {
        thread(isDaemon = true, name = "wire") { untilBroken { while (true) accept(door.accept()) } }
    }

    /** As when the server is gone: connections break, and new ones are refused. */
    fun cut() {
        state = State.CUT
        breakAll()
    }

    /** As when packets vanish: connections stay, new ones come about too, and nothing arrives any more. */
    fun mute() {
        state = State.MUTE
    }

    /** New connections are whole again. Those that missed something break now. */
    fun heal() {
        if (state == State.MUTE) breakAll()
        state = State.WHOLE
    }

    override fun close() {
        door.close()
        breakAll()
    }

    private fun accept(client: Socket) {
        if (state == State.CUT) return client.close()
        val (host) = server.serverNames
        val (port) = server.portNumbers
        links += Link(client, Socket(host, port))
    }

    private fun breakAll() {
        links.forEach { it.close() }
        links.clear()
    }

    private inner class Link(private val client: Socket, private val server: Socket) : AutoCloseable {
        init {
            carry(client, server)
            carry(server, client)
        }

        private fun carry(from: Socket, to: Socket) {
            thread(isDaemon = true, name = "wire") {
                untilBroken {
                    val buffer = ByteArray(BUFFER)
                    while (true) {
                        val size = from.getInputStream().read(buffer)
                        if (size < 0) break
                        if (state == State.WHOLE) to.getOutputStream().write(buffer, 0, size)
                    }
                }
                if (state == State.WHOLE) close()
            }
        }

        override fun close() {
            client.close()
            server.close()
        }
    }

    private fun untilBroken(block: () -> Unit) {
        try {
            block()
        } catch (_: IOException) {
            // Somebody closed it.
        }
    }

    private companion object {
        const val BACKLOG = 50
        const val BUFFER = 8_192
    }
}
