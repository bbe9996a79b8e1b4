package samples.images

import io.kotest.assertions.withClue
import io.kotest.core.spec.style.FunSpec
import io.kotest.engine.spec.tempdir
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldHaveAtLeastSize
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.collections.shouldNotBeEmpty
import io.kotest.matchers.maps.shouldContainExactly
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.testing.TestDatabase
import java.awt.Dimension
import javax.imageio.ImageIO
import kotlin.io.path.nameWithoutExtension
import kotlin.io.path.readText

class ImagesSpec :
    FunSpec({
        val settings = Settings(
            out = tempdir().toPath(),
            jdbcUrl = TestDatabase.url,
            count = 8,
            size = Dimension(1800, 1200),
        )
        val summary by lazy { runImages(settings) }

        test("nothing is missing in the story") {
            summary.missing().shouldBeEmpty()
        }

        test("every thumbnail is a picture of its width") {
            for (result in summary.images) {
                withClue(result.image.path) { result.thumbnails.map { it.width } shouldBe WIDTHS.sorted() }
                for (thumbnail in result.thumbnails) {
                    val picture = ImageIO.read(summary.out.thumbnails.resolve(thumbnail.file).toFile())
                    picture.width shouldBe thumbnail.width
                    picture.height shouldBe thumbnail.height
                }
            }
        }

        test("the corrupt picture's jobs are discarded at once, and their error is kept") {
            summary.corrupt.jobs.shouldNotBeEmpty()
            summary.corrupt.thumbnails.shouldBeEmpty()
            for (job in summary.corrupt.jobs) {
                job.attempts shouldBe 1
                job.failures.single().error shouldContain "CorruptImageException: broken-upload.png"
            }
        }

        test("the job that fails twice is done at the third attempt") {
            summary.flaky.isCompleted shouldBe true
            summary.flaky.attempts shouldBe 3
            summary.flaky.failures.map { it.attempt } shouldBe listOf(1, 2)
            for (failure in summary.flaky.failures) failure.error shouldContain "The disk is away"
        }

        test("the jobs of the killed worker are run again and done") {
            summary.lost.shouldHaveAtLeastSize(1)
            summary.rescued shouldHaveSize summary.lost.size
            for (job in summary.rescued) job.failures.first().error shouldContain "killed"
        }

        test("every job ends exactly once, and every resized picture is recorded once") {
            val enqueued = (summary.images + summary.corrupt).flatMap { it.jobs }.map { it.id.value }
            archived("images.resize") shouldContainExactly enqueued.associateWith { 1 }
            archived("images.record").values.toSet() shouldBe setOf(1)
            summary.jobs.unfinished shouldBe 0
        }

        test("the contact sheet names every picture, and the error of the one that is corrupt") {
            val page = summary.out.index.readText()
            for (result in summary.images + summary.corrupt) {
                page shouldContain "<b>${result.image.path.nameWithoutExtension}</b>"
            }
            page shouldContain "Error reading PNG image data"
        }

        test("no process is left behind") {
            ProcessHandle
                .current()
                .children()
                .filter { it.info().commandLine().orElse("").contains("ImageWorker") }
                .toList()
                .shouldBeEmpty()
        }
    })

/** How often each job of that name is in the archive, by its id. */
private fun archived(name: String): Map<Long, Int> = TestDatabase.connect { connection ->
    connection.prepareStatement(COUNT_BY_ID).use { statement ->
        statement.setString(1, name)
        statement.executeQuery().use { rows ->
            buildMap { while (rows.next()) put(rows.getLong(1), rows.getInt(2)) }
        }
    }
}

private const val COUNT_BY_ID = "select id, count(*) from $SCHEMA.archive where name = ? group by id"
