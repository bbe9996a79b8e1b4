package kittiwake.exposed

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.event.JobEvent
import kittiwake.job.job
import org.jetbrains.exposed.v1.core.Transaction
import org.jetbrains.exposed.v1.core.statements.StatementInterceptor
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.sql.SQLException

/** A commit that the server made, and whose answer the handler never heard. */
class UnansweredCommitSpec :
    FunSpec({
        test("a job whose commit was not answered is told as what it is: completed, and not run again") {
            inShop {
                val send =
                    job<PackArgs, Unit>("send") {
                        handleInTransaction(db) { args ->
                            place(args.item)
                            contextOf<JdbcTransaction>().registerInterceptor(LosesTheAnswer)
                        }
                    }
                working(configure = {
                    queue("send")
                    jobs(send)
                }) { witness ->
                    val id = transaction(db) { send.enqueue(PackArgs("tea")) }.id
                    witness.await<JobEvent.Completed>().id shouldBe id
                    kittiwake.find(id).shouldNotBeNull().failures.shouldBeEmpty()
                    orders() shouldBe listOf("tea")
                }
            }
        }
    })

private object LosesTheAnswer : StatementInterceptor {
    override fun afterCommit(transaction: Transaction): Unit = throw SQLException("the connection was lost", "08006")
}
