package samples.images

import kittiwake.job.JobId
import org.jetbrains.exposed.v1.core.JoinType
import org.jetbrains.exposed.v1.core.and
import org.jetbrains.exposed.v1.core.count
import org.jetbrains.exposed.v1.core.eq
import org.jetbrains.exposed.v1.core.sum
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.select
import org.jetbrains.exposed.v1.jdbc.selectAll
import org.jetbrains.exposed.v1.jdbc.transactions.transaction

/** How many jobs of one name are in one state, and how many attempts they took. */
class JobCount(val name: String, val state: String, val jobs: Int, val attempts: Int)

/** All jobs at one moment. */
class Overview(val counts: List<JobCount>) {
    val unfinished: Int get() = jobs { it.state in listOf("ready", "scheduled", "running") }

    fun jobs(which: (JobCount) -> Boolean): Int = counts.filter(which).sumOf { it.jobs }
}

/** Asks the database what is going on. */
class Monitor(private val db: Database) {
    fun now(): Overview = transaction(db) {
        val jobs = Jobs.id.count()
        val attempts = Jobs.attempt.sum()
        Overview(
            Jobs.select(Jobs.name, Jobs.state, jobs, attempts).groupBy(Jobs.name, Jobs.state).map {
                JobCount(it[Jobs.name], it[Jobs.state], it[jobs].toInt(), it[attempts] ?: 0)
            },
        )
    }

    fun thumbnails(image: ImportedImage): List<Thumbnail> = transaction(db) {
        Thumbnails
            .selectAll()
            .where { Thumbnails.image eq image.id }
            .orderBy(Thumbnails.width)
            .map { Thumbnail(it[Thumbnails.width], it[Thumbnails.height], it[Thumbnails.file]) }
    }

    fun workers(): Int = transaction(db) { Workers.selectAll().count().toInt() }

    /** The jobs that [worker] has claimed and not finished, whether it lives or not. */
    fun runningIn(worker: WorkerProcess): List<JobId> = transaction(db) {
        Jobs
            .join(Workers, JoinType.INNER, Jobs.workerId, Workers.id)
            .select(Jobs.id)
            .where { (Workers.pid eq worker.pid) and (Jobs.state eq "running") }
            .map { JobId(it[Jobs.id]) }
    }
}
