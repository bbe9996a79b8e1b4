package samples.plainjdbc

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.shouldBe
import kittiwake.java.JobQueue
import kittiwake.testing.TestDatabase
import java.io.ByteArrayOutputStream
import java.io.PrintStream
import kotlin.io.path.Path
import kotlin.io.path.readLines

class PlainJdbcSpec :
    FunSpec({
        test("the order is confirmed by a worker, at the second attempt") {
            outputOf { PlainJdbc.main(arrayOf(TestDatabase.url)) } shouldBe
                "Order confirmed to Ana, at attempt 2\n"
        }

        test("an order that is rolled back has no confirmation") {
            val kittiwake = TestDatabase.kittiwake()
            JobQueue.of(kittiwake).use { queue ->
                TestDatabase.connect { connection ->
                    val kept = PlainJdbc.order(queue, connection, "Ben")
                    val undone = queue.enqueue(connection, PlainJdbc.CONFIRM, PlainJdbc.ConfirmArgs(-1, "nobody"))
                    connection.rollback()
                    queue.find(kept.id()).isPresent shouldBe true
                    queue.find(undone.id()).isPresent shouldBe false
                }
            }
        }

        test("there is no Kotlin in sight") {
            val source = Path("src/main/java/samples/plainjdbc/PlainJdbc.java").readLines()
            source.filter { "import kotlin" in it || "INSTANCE" in it || "Unit" in it }.shouldBeEmpty()
        }
    })

private fun outputOf(program: () -> Unit): String {
    val out = System.out
    val written = ByteArrayOutputStream()
    System.setOut(PrintStream(written, true, Charsets.UTF_8))
    try {
        program()
    } finally {
        System.setOut(out)
    }
    return written.toString(Charsets.UTF_8).replace(System.lineSeparator(), "\n")
}
