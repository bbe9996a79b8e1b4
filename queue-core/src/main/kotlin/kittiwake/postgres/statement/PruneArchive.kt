package kittiwake.postgres.statement

import kittiwake.job.Retention
import kittiwake.postgres.NamedSql
import kittiwake.postgres.Schema
import java.sql.Connection
import kotlin.time.Duration
import kotlin.time.Duration.Companion.days

/** Forgets the days that are over, and prepares those that jobs ending today and tomorrow will be kept until. */
internal class PruneArchive(schema: Schema) {
    private val prepare = NamedSql(PREPARE_ARCHIVE, schema)
    private val prune = NamedSql(PRUNE_ARCHIVE, schema)

    fun execute(connection: Connection, retentions: Set<Retention>): Int {
        val kept = retentions
            .flatMap { listOf(it.completed, it.failed) }
            .filter { it.isPositive() && it <= PARTITIONED }
            .distinct()
        prepare.query(connection, { array("days", "int4", kept.flatMap(::daysAhead).distinct()) }) {}
        return prune.query(connection, { this["at_most"] = AT_MOST }) { it.getInt("forgotten") }.single()
    }

    private fun daysAhead(kept: Duration): List<Int> = kept.inWholeDays.toInt().let { listOf(it, it + 1, it + 2) }

    private companion object {
        /** What is kept for longer lies in the default partition, and is forgotten row by row. */
        val PARTITIONED = 400.days
        const val AT_MOST = 10_000
    }
}

// language=PostgreSQL
private const val PREPARE_ARCHIVE = """
/* kittiwake: prepare archive */
select {schema}.prepare_archive((now() at time zone 'UTC')::date + days)
from unnest(:days::int[]) as ahead (days)
"""

// Whole days are dropped, not deleted row by row (decision 0017).
// language=PostgreSQL
private const val PRUNE_ARCHIVE = """
/* kittiwake: prune archive */
select {schema}.prune_archive(:at_most) as forgotten
"""
