package kittiwake.exposed

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import kittiwake.event.JobEvent
import kittiwake.job.JobTypeBuilder
import kittiwake.job.job
import kittiwake.postgres.LosesAnswers
import kittiwake.testing.TestDatabase
import org.jetbrains.exposed.v1.core.Transaction
import org.jetbrains.exposed.v1.core.statements.StatementInterceptor
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.sql.Connection
import java.sql.SQLException
import java.util.concurrent.atomic.AtomicBoolean
import javax.sql.DataSource
import kotlin.time.Duration

/** A commit that the server made, after which something goes wrong: what the handler hears is no longer what is so. */
class UnansweredCommitSpec :
    FunSpec({
        suspend fun Shop.isCompletedOnce(
            configure: JobTypeBuilder<PackArgs, Unit>.() -> Unit = {},
            after: context(JdbcTransaction) () -> Unit,
        ) {
            val send =
                job<PackArgs, Unit>("send") {
                    configure()
                    handleInTransaction(db) { args ->
                        place(args.item)
                        after()
                    }
                }
            working(configure = {
                queue("send")
                jobs(send)
            }) { witness ->
                val id = transaction(db) { send.enqueue(PackArgs("tea")) }.id
                witness
                    .await<JobEvent> { it is JobEvent.Completed || it is JobEvent.LeaseLost }
                    .let { it is JobEvent.Completed && it.id == id } shouldBe true
                kittiwake.find(id)?.failures.orEmpty().shouldBeEmpty()
            }
        }

        test("a job whose commit was not answered is told as what it is: completed, and not run again") {
            val isCut = AtomicBoolean()
            Shop(CutAtTheEnd(isCut)).use { shop ->
                shop.isCompletedOnce { isCut.set(true) }
                shop.orders() shouldBe listOf("tea")
                isCut.get() shouldBe false
            }
        }

        test("so is one after whose commit the application's own hook fails, when nothing is kept of the job, too") {
            inShop {
                isCompletedOnce({ retain(completed = Duration.ZERO) }) {
                    contextOf<JdbcTransaction>().registerInterceptor(
                        object : StatementInterceptor {
                            override fun afterCommit(transaction: Transaction): Unit =
                                throw SQLException("a hook's own")
                        },
                    )
                }
                orders() shouldBe listOf("tea")
            }
        }

        test("a hook after the commit may write, and commit that itself") {
            inShop {
                isCompletedOnce {
                    contextOf<JdbcTransaction>().registerInterceptor(
                        object : StatementInterceptor {
                            private var isDone = false

                            override fun afterCommit(transaction: Transaction) {
                                if (isDone) return
                                isDone = true
                                context(transaction as JdbcTransaction) { place("the receipt") }
                                transaction.commit()
                            }
                        },
                    )
                }
                orders() shouldBe listOf("tea", "the receipt")
            }
        }
    })

/** Connections that are cut behind the next statement that is a commit, too, once [isCut] says so. */
private class CutAtTheEnd(private val isCut: AtomicBoolean) : DataSource by TestDatabase.dataSource {
    override fun getConnection(): Connection = LosesAnswers(TestDatabase.dataSource.connection, call = "execute") {
        if (isCut.getAndSet(false)) throw SQLException("the connection was lost", "08006")
    }.connection
}
