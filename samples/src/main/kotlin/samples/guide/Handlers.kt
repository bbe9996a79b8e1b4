package samples.guide

import kittiwake.job.Interruption
import kittiwake.job.done
import kittiwake.job.isLastAttempt
import kittiwake.job.job
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.minutes

@Serializable
data class ExportArgs(val reportId: Long)

/** What the handlers below need of the application. */
interface Reports {
    suspend fun isReady(id: Long): Boolean

    suspend fun exists(id: Long): Boolean

    suspend fun page(id: Long, number: Int): String

    fun write(id: Long, pages: List<String>): String

    fun removeLeftovers(id: Long)
}

class ExportJobs(private val reports: Reports) {
    /** Returning completes the job, throwing retries it by its policy. Children belong to the job. */
    val pages = job<ExportArgs, Int>("export.pages") {
        handle { args ->
            val pages = (1..3).map { number -> async { reports.page(args.reportId, number) } }
            pages.awaitAll().size
        }
    }

    /** The only place where `done`, `snooze` and `discard` can be said. */
    val whenReady = job<ExportArgs>("export.when-ready") {
        decide { args ->
            when {
                !reports.exists(args.reportId) -> discard("report ${args.reportId} is gone")
                !reports.isReady(args.reportId) -> snooze(1.minutes)
                else -> done()
            }
        }
    }

    /** For code that blocks its thread. */
    val blocking = job<ExportArgs, String>("export.blocking") {
        handleBlocking { args ->
            if (isLastAttempt) println("Job $id: this is the last of $maxAttempts attempts")
            reports.write(args.reportId, listOf("one page"))
        }
    }

    /** Why a coroutine was cancelled is a type. Whoever catches it throws it on. */
    val tidy = job<ExportArgs, String>("export.tidy") {
        handle { args ->
            try {
                reports.page(args.reportId, number = 1)
            } catch (e: Interruption) {
                if (e is Interruption.CancelledByUser) reports.removeLeftovers(args.reportId)
                throw e
            }
        }
    }
}
