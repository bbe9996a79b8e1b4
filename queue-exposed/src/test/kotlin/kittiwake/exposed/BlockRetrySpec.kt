package kittiwake.exposed

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.shouldBe
import kittiwake.enqueue.JobRef
import kittiwake.testing.TestDatabase
import org.jetbrains.exposed.v1.core.Transaction
import org.jetbrains.exposed.v1.core.statements.StatementInterceptor
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import java.sql.SQLException

/** Exposed runs a block again, three times in all, when an SQLException leaves it or its commit. */
class BlockRetrySpec :
    FunSpec({
        for (form in Form.entries) {
            context(form.title) {
                test("a block that fails twice and then succeeds leaves one job, the one it returned") {
                    inShop {
                        Sleeper(this, "pack").use { sleeper ->
                            val collected = mutableListOf<JobRef<Unit>>()
                            val ref =
                                form.run(db) {
                                    place("tea")
                                    val ref = pack.enqueue(PackArgs("tea")).also { collected += it }
                                    if (collected.size < 3) throw SQLException("run $collected failed")
                                    ref
                                }
                            orders() shouldBe listOf("tea")
                            jobs() shouldBe listOf("tea")
                            collected shouldHaveSize 3
                            collected.filter { kittiwake.find(it.id) != null } shouldBe listOf(ref)
                            sleeper.heard() shouldBe listOf("pack")
                        }
                    }
                }

                test("a block that always fails leaves nothing") {
                    inShop {
                        Sleeper(this, "pack").use { sleeper ->
                            var runs = 0
                            shouldThrow<SQLException> {
                                form.run(db) {
                                    runs++
                                    pack.enqueue(PackArgs("tea"))
                                    throw SQLException("run $runs failed")
                                }
                            }
                            runs shouldBe 3
                            jobs().shouldBeEmpty()
                            sleeper.heard().shouldBeEmpty()
                        }
                    }
                }

                test("what a refused enqueue throws is not a reason to run the block again") {
                    inShop {
                        var runs = 0
                        shouldThrow<IllegalArgumentException> {
                            form.run(db) {
                                runs++
                                pack.enqueue(PackArgs("te\u0000a"))
                            }
                        }
                        runs shouldBe 1
                    }
                }

                test("a committed block is not run again for its wake-up, even when Kittiwake is closed meanwhile") {
                    inShop {
                        var runs = 0
                        form.run(db) {
                            runs++
                            place("tea")
                            pack.enqueue(PackArgs("tea"))
                            kittiwake.close()
                        }
                        runs shouldBe 1
                        orders() shouldBe listOf("tea")
                        jobs() shouldBe listOf("tea")
                    }
                }

                test("a block whose connection dies before its commit is run again, and leaves one job") {
                    inShop {
                        var runs = 0
                        form.run(db) {
                            runs++
                            place("tea")
                            pack.enqueue(PackArgs("tea"))
                            if (runs == 1) beforeItCommits { loseConnection() }
                        }
                        runs shouldBe 2
                        orders() shouldBe listOf("tea")
                        jobs() shouldBe listOf("tea")
                    }
                }
            }
        }

        test("an interceptor of the user's that throws after the commit repeats rows and jobs alike") {
            inShop {
                Sleeper(this, "pack").use { sleeper ->
                    var runs = 0
                    Form.BLOCKING.run(db) {
                        runs++
                        place("tea")
                        pack.enqueue(PackArgs("tea"))
                        if (runs == 1) {
                            registerInterceptor(
                                object : StatementInterceptor {
                                    override fun afterCommit(transaction: Transaction) {
                                        throw SQLException("too late")
                                    }
                                },
                            )
                        } else {
                            sleeper.awaitSignal() shouldBe "pack"
                        }
                    }
                    runs shouldBe 2
                    orders() shouldBe listOf("tea", "tea")
                    jobs() shouldBe listOf("tea", "tea")
                    sleeper.heard() shouldBe listOf("pack")
                }
            }
        }
    })

private fun JdbcTransaction.beforeItCommits(act: () -> Unit) {
    registerInterceptor(
        object : StatementInterceptor {
            override fun beforeCommit(transaction: Transaction) = act()
        },
    )
}

/** Ends this transaction's session on the server, as a crash of either side would. */
private fun JdbcTransaction.loseConnection() {
    val session = exec("select pg_backend_pid()") { rows -> rows.apply { next() }.getInt(1) }
    TestDatabase.connect { connection ->
        connection.createStatement().use { it.execute("select pg_terminate_backend($session, 10000)") }
    }
}
