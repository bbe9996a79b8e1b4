package bench.limit

import bench.Cost
import bench.Meter
import bench.Server
import java.util.UUID
import java.util.concurrent.Callable
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger

/**
 * Does some of the jobs that wait by bare SQL, on two connections, in batches of 500, each time without knowing where
 * it has been: as a worker that was just started.
 */
internal class BareBites(server: Server) : AutoCloseable {
    private val meter = Meter(server.dataSource)
    private val connections = List(2) { BareClaims.connect(server.dataSource) }
    private val claims = UUID.randomUUID().let { worker -> connections.map { BareClaims(it, worker, archive = true) } }
    private val threads = Executors.newFixedThreadPool(connections.size)

    init {
        BareClaims.prepareArchive(server)
    }

    fun bite(jobs: Int): Cost {
        require(jobs % BATCH == 0) { "$jobs jobs are no whole number of batches of $BATCH" }
        claims.forEach { it.startAgain() }
        val left = AtomicInteger(jobs / BATCH)
        val start = meter.read()
        threads.invokeAll(claims.map { Callable { work(it, left) } }).forEach { it.get() }
        return meter.between(start, meter.read(System.nanoTime()))
    }

    private fun work(own: BareClaims, left: AtomicInteger) {
        var held: Batch? = null
        while (left.getAndDecrement() > 0) {
            held = if (held == null) own.claim(BATCH) else own.completeAndClaim(held, BATCH)
            check(held.ids.size == BATCH) { "${held.ids.size} jobs were claimed, though $BATCH more were waiting" }
        }
        held?.let(own::complete)
    }

    override fun close() {
        threads.shutdown()
        connections.forEach { it.close() }
        meter.close()
    }

    private companion object {
        const val BATCH = 500
    }
}
