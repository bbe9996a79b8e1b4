package bench.limit

import bench.Bench
import bench.Meter
import bench.Sample
import bench.Tables
import java.util.UUID
import java.util.concurrent.Callable
import java.util.concurrent.Executors

/**
 * Empties tables of waiting jobs by bare SQL, [batch] at a time, on two connections. [fused] says whether one statement
 * completes a batch and claims the next.
 *
 * On two connections it did 1.6 times as much as on one, and more than when one claimed what the other completed; that all
 * jobs of a claim are looked up in one search made 1.2 times as much of it.
 */
internal class BareDrain(private val batch: Int, private val archive: Boolean, private val fused: Boolean) {
    fun measure(bench: Bench, tables: Tables): Sample {
        val warmUp = (batch * 2_000).coerceIn(10_000, 1_000_000)
        val jobs = bench.options.jobs ?: (batch * 5_000).coerceIn(20_000, 500_000)
        val worker = UUID.randomUUID()
        val connections = List(2) { BareClaims.connect(bench.server.dataSource) }
        val claims = connections.map { BareClaims(it, worker, archive) }
        val threads = Executors.newFixedThreadPool(claims.size)
        if (archive) BareClaims.prepareArchive(bench.server)

        fun drain() {
            threads.invokeAll(claims.map { Callable { drain(it) } }).forEach { it.get() }
        }
        Meter(bench.server.dataSource).use { meter ->
            tables.fill(warmUp, archive)
            drain()
            tables.forgetArchive()
            val ids = tables.fill(jobs, archive)
            bench.server.settle()
            val start = meter.read()
            drain()
            val cost = meter.between(start, meter.read(System.nanoTime()))
            threads.shutdown()
            connections.forEach { it.close() }
            tables.checkDone(ids, archive)
            return Sample(mapOf("jobs/s" to jobs / cost.seconds) + cost.perJob(jobs))
        }
    }

    private fun drain(claims: BareClaims) {
        var held = claims.claim(batch)
        while (held.ids.isNotEmpty()) {
            held =
                if (fused) {
                    claims.completeAndClaim(held, batch)
                } else {
                    claims.complete(held)
                    claims.claim(batch)
                }
        }
    }
}
