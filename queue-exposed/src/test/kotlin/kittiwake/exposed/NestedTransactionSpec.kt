package kittiwake.exposed

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.shouldBe
import kotlinx.coroutines.runBlocking
import org.jetbrains.exposed.v1.jdbc.Database
import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.suspendTransaction
import org.jetbrains.exposed.v1.jdbc.transactions.transaction
import java.sql.SQLException

/**
 * What Exposed really does with a block inside a block, pinned: by default both are one transaction, with
 * `useNestedTransactions` the inner one is a savepoint of the outer.
 */
class NestedTransactionSpec :
    FunSpec({
        for (nesting in Nesting.entries) {
            context("${nesting.title}, one transaction") {
                test("the jobs of both blocks are committed by the outer one, which wakes each queue once") {
                    inShop {
                        Sleeper(this, "pack", "bill").use { sleeper ->
                            nesting.run(
                                db,
                                outer = { pack("outer") },
                                inner = {
                                    pack("inner")
                                    bill.enqueue(PackArgs("inner"))
                                },
                                then = {
                                    jobs().shouldBeEmpty()
                                    sleeper.heard().shouldBeEmpty()
                                    pack("then")
                                },
                            )
                            jobs() shouldBe listOf("outer", "inner", "inner", "then")
                            sleeper.heard() shouldBe listOf("bill", "pack")
                        }
                    }
                }

                test("nothing is left of either block when the outer one rolls back") {
                    inShop {
                        Sleeper(this, "pack").use { sleeper ->
                            shouldThrow<Mishap> {
                                nesting.run(
                                    db,
                                    outer = { pack("outer") },
                                    inner = { pack("inner") },
                                    then = { throw Mishap() },
                                )
                            }
                            jobs().shouldBeEmpty()
                            orders().shouldBeEmpty()
                            sleeper.heard().shouldBeEmpty()
                        }
                    }
                }

                test("an exception caught around the inner block undoes nothing") {
                    inShop {
                        nesting.run(
                            db,
                            outer = { pack("outer") },
                            inner = {
                                pack("inner")
                                throw Mishap()
                            },
                            then = { pack("then") },
                        )
                        jobs() shouldBe listOf("outer", "inner", "then")
                        orders() shouldBe listOf("inner", "outer", "then")
                    }
                }

                test("an SQLException caught around it undoes all before it, and what comes later is committed") {
                    inShop {
                        Sleeper(this, "pack", "bill").use { sleeper ->
                            nesting.run(
                                db,
                                outer = { pack("outer") },
                                inner = {
                                    pack("inner")
                                    exec("select 1 / 0")
                                },
                                then = {
                                    place("then")
                                    bill.enqueue(PackArgs("then"))
                                },
                            )
                            jobs() shouldBe listOf("then")
                            orders() shouldBe listOf("then")
                            sleeper.heard() shouldBe listOf("bill")
                        }
                    }
                }

                test("commit() in the inner block commits both, and wakes then") {
                    inShop {
                        Sleeper(this, "pack", "bill").use { sleeper ->
                            shouldThrow<Mishap> {
                                nesting.run(
                                    db,
                                    outer = { pack("outer") },
                                    inner = {
                                        pack("inner")
                                        commit()
                                    },
                                    then = {
                                        sleeper.heard() shouldBe listOf("pack")
                                        bill.enqueue(PackArgs("then"))
                                        throw Mishap()
                                    },
                                )
                            }
                            jobs() shouldBe listOf("outer", "inner")
                            sleeper.heard().shouldBeEmpty()
                        }
                    }
                }
            }

            context("${nesting.title}, with useNestedTransactions") {
                test("the jobs of both blocks are committed by the outer one, which wakes each queue once") {
                    inNestingShop {
                        Sleeper(this, "pack", "bill").use { sleeper ->
                            nesting.run(
                                db,
                                outer = { pack("outer") },
                                inner = {
                                    pack("inner")
                                    bill.enqueue(PackArgs("inner"))
                                },
                                then = {
                                    jobs().shouldBeEmpty()
                                    sleeper.heard().shouldBeEmpty()
                                    pack("then")
                                },
                            )
                            jobs() shouldBe listOf("outer", "inner", "inner", "then")
                            sleeper.heard() shouldBe listOf("bill", "pack")
                        }
                    }
                }

                test("a job of the inner block alone wakes when the outer one commits") {
                    inNestingShop {
                        Sleeper(this, "pack").use { sleeper ->
                            nesting.run(
                                db,
                                outer = {},
                                inner = {
                                    pack("inner")
                                    commit()
                                },
                                then = { sleeper.heard().shouldBeEmpty() },
                            )
                            sleeper.heard() shouldBe listOf("pack")
                        }
                    }
                }

                test("nothing is left of either block when the outer one rolls back, and nobody is woken") {
                    inNestingShop {
                        Sleeper(this, "pack").use { sleeper ->
                            shouldThrow<Mishap> {
                                nesting.run(
                                    db,
                                    outer = { pack("outer") },
                                    inner = {
                                        pack("inner")
                                        commit()
                                    },
                                    then = { throw Mishap() },
                                )
                            }
                            jobs().shouldBeEmpty()
                            orders().shouldBeEmpty()
                            sleeper.heard().shouldBeEmpty()
                        }
                    }
                }

                for ((name, mishap) in mishaps) {
                    test("$name caught around the inner block undoes that block only") {
                        inNestingShop {
                            Sleeper(this, "pack", "bill").use { sleeper ->
                                nesting.run(
                                    db,
                                    outer = { pack("outer") },
                                    inner = {
                                        place("inner")
                                        bill.enqueue(PackArgs("inner"))
                                        mishap()
                                    },
                                    then = { pack("then") },
                                )
                                jobs() shouldBe listOf("outer", "then")
                                orders() shouldBe listOf("outer", "then")
                                ("pack" in sleeper.heard()) shouldBe true
                            }
                        }
                    }
                }
            }
        }

        context("transaction { runBlocking { suspendTransaction { } } }") {
            test("is two transactions: the inner one is not joined, and keeps its job when the outer one rolls back") {
                inShop {
                    shouldThrow<Mishap> {
                        transaction(db) {
                            pack("outer")
                            runBlocking { suspendTransaction(db) { pack("inner") } }
                            jobs() shouldBe listOf("inner")
                            throw Mishap()
                        }
                    }
                    jobs() shouldBe listOf("inner")
                    orders() shouldBe listOf("inner")
                }
            }
        }

        context("commit and rollback by hand") {
            test("what commit() has committed stays and is woken once; what comes after it is the block's") {
                inShop {
                    Sleeper(this, "pack", "bill").use { sleeper ->
                        shouldThrow<Mishap> {
                            transaction(db) {
                                pack("before")
                                commit()
                                sleeper.awaitSignal() shouldBe "pack"
                                bill.enqueue(PackArgs("after"))
                                throw Mishap()
                            }
                        }
                        jobs() shouldBe listOf("before")
                        sleeper.heard().shouldBeEmpty()
                    }
                }
            }

            test("every commit wakes for its own jobs") {
                inShop {
                    Sleeper(this, "pack").use { sleeper ->
                        transaction(db) {
                            pack("first")
                            commit()
                            sleeper.heard() shouldBe listOf("pack")
                            pack("second")
                            commit()
                            sleeper.heard() shouldBe listOf("pack")
                            place("third")
                        }
                        sleeper.heard().shouldBeEmpty()
                        jobs() shouldBe listOf("first", "second")
                    }
                }
            }

            test("what rollback() has undone is gone and wakes nobody; what comes after it is committed") {
                inShop {
                    Sleeper(this, "pack", "bill").use { sleeper ->
                        transaction(db) {
                            pack("before")
                            rollback()
                            bill.enqueue(PackArgs("after"))
                        }
                        jobs() shouldBe listOf("after")
                        orders().shouldBeEmpty()
                        sleeper.heard() shouldBe listOf("bill")
                    }
                }
            }
        }

        context("savepoint") {
            for ((name, mishap) in mishaps) {
                test("$name undoes what its block wrote and enqueued, and nothing else") {
                    inShop {
                        transaction(db) {
                            pack("before")
                            shouldThrow<Exception> {
                                savepoint {
                                    pack("inside")
                                    mishap()
                                }
                            }
                            pack("after")
                        }
                        jobs() shouldBe listOf("before", "after")
                        orders() shouldBe listOf("after", "before")
                    }
                }
            }

            test("returns what its block returns, and keeps it") {
                inShop {
                    val ref = transaction(db) { savepoint { pack.enqueue(PackArgs("inside")) } }
                    kittiwake.find(ref.id)?.id shouldBe ref.id
                }
            }

            test("one inside another undoes only the inner one") {
                inShop {
                    transaction(db) {
                        savepoint {
                            pack("outer")
                            shouldThrow<Mishap> {
                                savepoint {
                                    pack("inner")
                                    throw Mishap()
                                }
                            }
                        }
                    }
                    jobs() shouldBe listOf("outer")
                }
            }

            test("the exception of its block is the one that is thrown when the savepoint has gone meanwhile") {
                inShop {
                    transaction(db) {
                        shouldThrow<Mishap> {
                            savepoint {
                                rollback()
                                throw Mishap()
                            }
                        }
                        rollback()
                    }
                }
            }
        }
    })

/** The ways of Exposed to have a block inside a block that finds the outer one. */
private enum class Nesting(val title: String) {
    BLOCKING_IN_BLOCKING("transaction in transaction") {
        override suspend fun run(db: Database, outer: Block, inner: Block, then: Block) = transaction(db) {
            outer()
            catching { transaction(db) { inner() } }
            then()
        }
    },
    BLOCKING_IN_SUSPENDING("transaction in suspendTransaction") {
        override suspend fun run(db: Database, outer: Block, inner: Block, then: Block) = suspendTransaction(db) {
            outer()
            catching { transaction(db) { inner() } }
            then()
        }
    },
    SUSPENDING_IN_SUSPENDING("suspendTransaction in suspendTransaction") {
        override suspend fun run(db: Database, outer: Block, inner: Block, then: Block) = suspendTransaction(db) {
            outer()
            catching { suspendTransaction(db) { inner() } }
            then()
        }
    }, ;

    /** Runs [outer], in it [inner], whose exception is caught, and [then] in the outer block again. */
    abstract suspend fun run(db: Database, outer: Block, inner: Block, then: Block)
}

private typealias Block = JdbcTransaction.() -> Unit

private val mishaps: Map<String, Block> =
    mapOf("an exception" to { throw Mishap() }, "an SQLException" to { exec("select 1 / 0") })

private inline fun catching(block: () -> Unit) {
    try {
        block()
    } catch (_: Mishap) {
        // The caller lives on.
    } catch (_: SQLException) {
        // The caller lives on.
    }
}

private suspend fun inNestingShop(test: suspend Shop.() -> Unit) = inShop({ useNestedTransactions = true }, test)

/** An order and its job. */
context(_: JdbcTransaction)
private fun Shop.pack(item: String) {
    place(item)
    pack.enqueue(PackArgs(item))
}
