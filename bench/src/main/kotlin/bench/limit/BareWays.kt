package bench.limit

import bench.Bench
import bench.Enqueuing
import bench.JobWriter
import bench.Tables
import bench.Way
import java.sql.Connection

/** Bare SQL as ways to measure: rows of the limit's own answer, and references of the other answers. */
internal class BareWays(private val bench: Bench) {
    /** Claim and complete. */
    fun drain(group: String, batch: Int, archive: Boolean, fused: Boolean = true): Way {
        val statements = if (fused) "complete and claim in one statement" else "claim, complete"
        return Way(group, "bare SQL, batch $batch", statements, isBare = true) { tables ->
            BareDrain(batch, archive, fused).measure(bench, tables)
        }
    }

    fun oneByOne(group: String, producers: Int): Way =
        enqueue(group, "bare INSERT + COMMIT", oneByOneFor(producers, BareInserts::oneByOne))

    fun committingThemselves(group: String, producers: Int): Way =
        enqueue(group, "bare INSERT, autocommit", oneByOneFor(producers, BareInserts::committingThemselves))

    fun arrays(group: String, producers: Int): Way =
        enqueue(group, "bare INSERT of an array", Enqueuing.bulk(producers, BareInserts::arrays.onTables()))

    fun copies(group: String, producers: Int): Way =
        enqueue(group, "bare COPY", Enqueuing.bulk(producers, BareInserts::copies.onTables()))

    private fun oneByOneFor(producers: Int, writer: (Connection) -> JobWriter) =
        Enqueuing.oneByOne(producers, writer.onTables())

    private fun enqueue(group: String, what: String, enqueuing: Enqueuing) =
        Way(group, what, enqueuing.toString(), isBare = true) { tables ->
            enqueuing.measure(bench, tables) { tables.checkWaiting(enqueuing.total(bench.options)) }
        }

    /** All of them write into tables of the one schema. */
    private fun ((Connection) -> JobWriter).onTables(): (Tables, Connection) -> JobWriter = { _, it -> this(it) }
}
