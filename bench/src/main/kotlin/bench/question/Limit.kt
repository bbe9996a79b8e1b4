package bench.question

import bench.Bench
import bench.Question
import bench.Way
import bench.limit.BareWays

/** What PostgreSQL itself can do, through JDBC, with nothing of this library: what the other answers are compared with. */
internal object Limit : Question {
    override val name = "limit"
    override val asks =
        "how fast is the same work as bare SQL through JDBC, on the same tables: claiming and completing jobs of 100 " +
            "bytes, and storing them?"

    override fun ways(bench: Bench): List<Way> = BareWays(bench).run {
        drains("claim and complete, archive off", archive = false) +
            drains("claim and complete, archive on", archive = true) +
            PRODUCERS.flatMap { listOf(oneByOne(ONE_BY_ONE, it), committingThemselves(ONE_BY_ONE, it)) } +
            BULK_PRODUCERS.flatMap { listOf(arrays(BULK, it), copies(BULK, it)) }
    }

    private fun BareWays.drains(group: String, archive: Boolean): List<Way> = listOf(500, 100, 10, 1).flatMap { batch ->
        listOf(true, false).map { fused -> drain(group, batch, archive, fused) }
    }
}
