package kittiwake.postgres

import io.kotest.core.annotation.Tags
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldStartWith
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.job.Ending
import kittiwake.job.JobState
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.jobStoreContract
import kittiwake.testing.working
import kotlinx.serialization.Serializable
import java.io.File
import java.io.InputStream
import java.nio.file.Files
import java.util.zip.ZipFile
import kotlin.time.Duration.Companion.milliseconds

@Serializable
private class Old

/** The whole contract, and a worker, on the oldest server that is supported. */
@Tags("AnyJdk")
@OptIn(KittiwakeSpi::class)
class OldestPostgresSpec :
    FunSpec({
        val server =
            autoClose(
                EmbeddedPostgres
                    .builder()
                    .setPgBinaryResolver { _, _ -> oldestBinaries() }
                    .setOverrideWorkingDirectory(Files.createTempDirectory("oldest-postgres").toFile())
                    .setServerConfig("fsync", "on")
                    .setServerConfig("synchronous_commit", "on")
                    .start(),
            )

        fun kittiwake() = Kittiwake
            .connect(server.postgresDatabase) { schema = TestDatabase.freshSchema() }
            .also { it.migrate() }

        test("is version 15") {
            server.postgresDatabase.connection.use { it.metaData.databaseProductVersion } shouldStartWith "15."
        }

        test("a worker fails, retries and completes") {
            val kittiwake = autoClose(kittiwake())
            val type = job<Old, Int>("old") { retry = fixed(50.milliseconds) }
            val events = RecordedEvents()
            kittiwake.working(events, {
                queue("old")
                handle(type) { if (attempt < 3) error("not yet") else attempt }
            }) {
                val id = kittiwake.submit(type, Old()).id
                events.awaitOf<JobEvent.Completed>(id)
                val job = kittiwake.awaitEnd(id)!!
                (job.state as JobState.Ended).ending shouldBe Ending.COMPLETED
                job.result shouldBe "3"
            }
        }

        include(jobStoreContract { autoClose(kittiwake()).store })
    })

private fun oldestBinaries(): InputStream {
    val jar = ZipFile(File("target/oldest-postgres.jar"))
    return jar.getInputStream(jar.stream().filter { it.name.endsWith(".txz") }.findFirst().get())
}
