package samples.plainjdbc

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.shouldBe
import kittiwake.java.JobQueue
import kittiwake.java.StoredJob
import kittiwake.testing.TestDatabase
import java.io.ByteArrayOutputStream
import java.io.PrintStream
import java.time.Duration
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

        test("an order is booked in the transaction that ends its job and enqueues the next") {
            TestDatabase.execute("create table if not exists ledger (order_id bigint, cents bigint); truncate ledger")
            JobQueue.of(TestDatabase.kittiwake()).use { queue ->
                PlainLedger.worker(queue, TestDatabase.dataSource).start().use {
                    val job = queue.submit(PlainLedger.BOOK, PlainLedger.BookArgs(7, 1250))
                    queue.await(job.id(), Duration.ofSeconds(30)).get().state() shouldBe StoredJob.State.COMPLETED
                }
                TestDatabase.query("select order_id from ledger where cents = 1250") shouldBe listOf("7")
                TestDatabase.query("select parent_id is not null from ${queue.schema()}.job") shouldBe listOf("t")
            }
        }

        test("there is no Kotlin in sight") {
            val source = listOf("PlainJdbc", "PlainLedger").flatMap {
                Path("src/main/java/samples/plainjdbc/$it.java")
                    .readLines()
            }
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
