package bench.limit

import bench.NoopArgs
import kotlinx.serialization.json.Json
import org.postgresql.PGConnection
import org.postgresql.ds.PGSimpleDataSource
import java.util.UUID
import kotlin.concurrent.thread

/**
 * Sleeps in `LISTEN`, and claims and completes what it is told of, on the connection that heard it: the least between a
 * commit and the start of a handler, as long as claims are durable. What is [handedOver] it need not claim, and reads. Of
 * Kittiwake it has the sockets, on which the driver does not wait a millisecond after each notification for another one.
 */
internal class BareListener(url: String, private val handedOver: Boolean, private val onStart: (NoopArgs) -> Unit) :
    AutoCloseable {
    private val connection =
        PGSimpleDataSource().run {
            setURL(url)
            socketFactory = PROMPT_SOCKETS
            BareClaims.connect(this)
        }
    private val claims = BareClaims(connection, WORKER, archive = true)

    @Volatile
    private var isStopped = false

    @Volatile
    var completed = 0
        private set

    private val listening: Thread

    init {
        connection.createStatement().use { it.execute("listen $CHANNEL") }
        listening = thread(name = "bare listener", block = ::listen)
    }

    private fun listen() {
        val notifications = connection.unwrap(PGConnection::class.java)
        while (!isStopped) {
            val heard = notifications.getNotifications(LOOK_EVERY_MILLIS)
            if (heard.isNullOrEmpty()) continue
            if (handedOver) heard.forEach { work(claims.held(it.parameter.toLong())) } else work(claims.claim(MOST))
        }
    }

    private fun work(held: Batch) {
        for (args in held.args) onStart(Json.decodeFromString(args))
        if (held.ids.isNotEmpty()) claims.complete(held)
        completed += held.ids.size
    }

    override fun close() {
        isStopped = true
        listening.join()
        connection.close()
    }

    companion object {
        const val CHANNEL = "bare"

        /** Whoever hands over says to whom. */
        val WORKER = UUID(0, 1)
        private const val PROMPT_SOCKETS = "kittiwake.postgres.PromptSocketFactory"
        private const val MOST = 500
        private const val LOOK_EVERY_MILLIS = 1_000
    }
}
