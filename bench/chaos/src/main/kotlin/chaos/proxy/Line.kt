package chaos.proxy

import java.io.IOException
import java.net.Socket
import java.util.concurrent.ThreadLocalRandom
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicInteger

/** One client's connection through a proxy: two threads, one for each direction. */
internal class Line(private val proxy: Proxy, private val client: Socket, private val server: Socket) {
    private val exchange = Exchange()
    private val underWay = AtomicInteger(2)
    private val isOver = AtomicBoolean()

    /** Something that was sent will never arrive. */
    @Volatile
    private var isHollow = false

    fun start() {
        client.tcpNoDelay = true
        server.tcpNoDelay = true
        Direction.entries.forEach { direction ->
            Thread(null, { pass(direction) }, "line $direction", STACK_SIZE).apply { isDaemon = true }.start()
        }
    }

    fun reset(strike: Strike?) {
        if (!isOver.compareAndSet(false, true)) return
        strike?.let(proxy::count)
        client.drop()
        server.drop()
        proxy.forget(this)
    }

    /** A connection with a hole in its stream is of no use once the network is well again. */
    fun resetIfHollow() {
        if (isHollow && Direction.entries.none { proxy.traffic.swallows(it) }) reset(Strike.RESET)
    }

    private fun pass(direction: Direction) {
        val (from, to) = if (direction == Direction.TO_SERVER) client to server else server to client
        val frames = FrameBuffer(startsUntyped = direction == Direction.TO_SERVER)
        try {
            while (true) {
                val count = frames.readFrom(from.getInputStream())
                if (proxy.traffic.swallows(direction)) {
                    swallow(direction)
                    if (count < 0) return
                    frames.clear()
                    continue
                }
                if (count < 0) return end(to)
                delayIfAsked()
                val commit = frames.scan { frame -> commitToCut(direction, frame) }
                if (commit != null) return cut(direction, commit)
                frames.writeTo(to.getOutputStream())
            }
        } catch (_: IOException) {
            if (proxy.traffic.swallows(direction)) swallow(direction) else reset(null)
        }
    }

    private fun swallow(direction: Direction) {
        isHollow = true
        proxy.count(
            if (direction == Direction.TO_SERVER) Strike.SWALLOWED_TO_SERVER else Strike.SWALLOWED_TO_CLIENT,
        )
        // The network may have healed while this was read.
        resetIfHollow()
    }

    private fun delayIfAsked() {
        val delay = proxy.traffic as? Traffic.Delay ?: return
        val (from, to) = delay.from.inWholeMilliseconds to delay.to.inWholeMilliseconds
        Thread.sleep(ThreadLocalRandom.current().nextLong(from, to + 1))
        proxy.count(Strike.DELAYED)
    }

    private fun commitToCut(direction: Direction, frame: Frame): Commit? = when (direction) {
        Direction.TO_SERVER -> exchange.asked(frame)?.takeIf { proxy.cutsAt(it, Traffic.Moment.BEFORE) }
        Direction.TO_CLIENT -> exchange.answered(frame)?.takeIf { proxy.cutsAt(it, Traffic.Moment.AFTER) }
    }

    private fun cut(direction: Direction, commit: Commit) {
        val isBefore = direction == Direction.TO_SERVER
        reset(
            when {
                isBefore && commit.isExplicit -> Strike.CUT_BEFORE_COMMIT
                isBefore -> Strike.CUT_BEFORE_STATEMENT
                commit.isExplicit -> Strike.CUT_AFTER_COMMIT
                else -> Strike.CUT_AFTER_STATEMENT
            },
        )
    }

    /** One side has said its last; the other may still finish. */
    private fun end(to: Socket) {
        to.shutdownOutput()
        if (underWay.decrementAndGet() > 0 || !isOver.compareAndSet(false, true)) return
        client.close()
        server.close()
        proxy.forget(this)
    }

    private companion object {
        const val STACK_SIZE = 131_072L
    }
}
