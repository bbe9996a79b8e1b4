package kittiwake.postgres

import java.io.FilterInputStream
import java.io.InputStream
import java.net.InetAddress
import java.net.Socket
import java.net.SocketTimeoutException
import javax.net.SocketFactory

/**
 * Sockets for the listener. After each notification the driver looks for another one by a read with a timeout of 1 ms;
 * here that look answers at once when nothing is there. It is a third of the time from a commit to the job's start.
 */
internal class PromptSocketFactory : SocketFactory() {
    override fun createSocket(): Socket = PromptSocket()

    override fun createSocket(host: String, port: Int): Socket = unused()

    override fun createSocket(host: String, port: Int, localHost: InetAddress, localPort: Int): Socket = unused()

    override fun createSocket(host: InetAddress, port: Int): Socket = unused()

    override fun createSocket(host: InetAddress, port: Int, localHost: InetAddress, localPort: Int): Socket = unused()

    /** The driver connects the socket itself. */
    private fun unused(): Socket = throw UnsupportedOperationException("Only unconnected sockets are made here")
}

private class PromptSocket : Socket() {
    @Volatile
    private var isGlance = false

    override fun setSoTimeout(timeout: Int) {
        isGlance = timeout == GLANCE
        if (!isGlance) super.setSoTimeout(timeout)
    }

    override fun getInputStream(): InputStream = GlancingStream(super.getInputStream())

    private inner class GlancingStream(stream: InputStream) : FilterInputStream(stream) {
        override fun read(): Int {
            glance()
            return super.read()
        }

        override fun read(buffer: ByteArray, offset: Int, length: Int): Int {
            glance()
            return super.read(buffer, offset, length)
        }

        private fun glance() {
            if (isGlance && `in`.available() == 0) throw NothingThere()
        }
    }

    private companion object {
        /** The timeout in milliseconds that the driver uses for nothing else. */
        const val GLANCE = 1
    }
}

/** One for each notification, and nobody sees it but the driver. A trace of the stack would take 60 µs of an idle worker. */
private class NothingThere : SocketTimeoutException("Nothing is there") {
    override fun fillInStackTrace(): Throwable = this
}
