package kittiwake.exposed

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import kittiwake.job.job
import kittiwake.testing.TestDatabase
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.serialization.Serializable
import org.jetbrains.exposed.v1.core.Table
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.SchemaUtils
import org.jetbrains.exposed.v1.jdbc.insert
import org.jetbrains.exposed.v1.jdbc.selectAll
import org.jetbrains.exposed.v1.jdbc.transactions.transaction

@Serializable
data class NoteArgs(val text: String)

object Notes : Table("handled_notes") {
    val text = text("text")
}

class HandleInTransactionSpec :
    FunSpec({
        test("the handler's writes and the completion are one commit") {
            val kittiwake = TestDatabase.kittiwake()
            val db = Database.connect(TestDatabase.dataSource)
            kittiwake.attach(db)
            transaction(db) { SchemaUtils.create(Notes) }
            val note =
                job<NoteArgs>("note") {
                    handleInTransaction(db) { args -> Notes.insert { it[text] = args.text } }
                }
            val worker =
                kittiwake.worker {
                    queue("note")
                    jobs(note)
                }
            val run = launch { worker.run() }
            val ref = transaction(db) { note.enqueue(NoteArgs("hello")) }
            println(kittiwake.awaitEnd(ref.id))
            transaction(db) { Notes.selectAll().map { it[Notes.text] } } shouldBe listOf("hello")
            run.cancelAndJoin()
            kittiwake.close()
        }
    })
