package kittiwake.exposed

import io.kotest.core.annotation.Tags
import io.kotest.core.spec.style.FunSpec
import io.kotest.engine.spec.tempdir
import io.kotest.inspectors.forAll
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.string.shouldContain
import io.kotest.matchers.string.shouldContainIgnoringCase
import org.jetbrains.kotlin.cli.common.ExitCode
import org.jetbrains.kotlin.cli.jvm.K2JVMCompiler
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.PrintStream

/** What the compiler accepts and refuses: the part of the promise that needs no database. */
@Tags("AnyJdk")
class CompileTimeSpec :
    FunSpec({
        val directory = tempdir()

        /** The errors of [code] in a file of its own. */
        fun errorsOf(code: String): List<String> {
            val source = File(directory, "Snippet.kt").apply { writeText(IMPORTS + code.trimIndent()) }
            val printed = ByteArrayOutputStream()
            val ending =
                PrintStream(printed).use { messages ->
                    K2JVMCompiler().exec(
                        messages,
                        source.path,
                        "-d", File(directory, "classes").path,
                        "-classpath", System.getProperty("java.class.path"),
                        "-no-stdlib", "-no-reflect", "-nowarn",
                        "-jvm-target", "17",
                    )
                }
            val errors = printed.toString().lines().filter { "error: " in it }
            check((ending == ExitCode.OK) == errors.isEmpty()) { "The compiler ended with $ending: $printed" }
            return errors
        }

        context("enqueue") {
            test("compiles inside transaction { }, suspendTransaction { } and a function that asks for one") {
                errorsOf(
                    """
                    fun inBlock(db: Database) = transaction(db) { pack.enqueue(PackArgs("tea")) { priority = 1 } }
                    suspend fun many(db: Database) = suspendTransaction(db) { pack.enqueueAll(listOf(PackArgs("tea"))) }
                    context(_: JdbcTransaction)
                    fun asking() = pack.enqueue(PackArgs("tea"))
                    fun explicitly(tx: JdbcTransaction) = tx.enqueue(pack, PackArgs("tea"))
                    """,
                ).shouldBeEmpty()
            }

            test("does not compile outside") {
                errorsOf(
                    """
                    fun one() = pack.enqueue(PackArgs("tea"))
                    fun many() = pack.enqueueAll(listOf(PackArgs("tea")))
                    """,
                ).shouldHaveSize(2).forAll { it shouldContainIgnoringCase NO_TRANSACTION }
            }

            test("does not compile with the args of another job") {
                errorsOf("""fun mistaken(db: Database) = transaction(db) { pack.enqueue("tea") }""")
                    .shouldHaveSize(1)
                    .single() shouldContain "PackArgs"
            }

            test("does not compile in a handler without a transaction") {
                errorsOf("""fun handler() = job<PackArgs>("p") { handle { args -> pack.enqueue(args) } }""")
                    .shouldHaveSize(1)
                    .single() shouldContainIgnoringCase NO_TRANSACTION
            }

            test("and savepoint compile in a handler in a transaction") {
                errorsOf(
                    """
                    fun handler(db: Database) =
                        job<PackArgs>("p") { handleInTransaction(db) { args -> savepoint { pack.enqueue(args) } } }
                    """,
                ).shouldBeEmpty()
            }
        }

        context("outcomes") {
            test("compile inside decide { }") {
                errorsOf(
                    """
                    fun deciding() = job<PackArgs, Int>("p") {
                        decide { args ->
                            when (args.item) {
                                "tea" -> done(args.item.length)
                                "coffee" -> snooze(1.minutes)
                                else -> discard("no such thing")
                            }
                        }
                    }
                    fun withoutResult() = job<PackArgs>("p") { decide { done() } }
                    """,
                ).shouldBeEmpty()
            }

            test("do not compile in another form of handler") {
                errorsOf(
                    """
                    fun doing() = job<PackArgs>("p") { handle { done(3) } }
                    fun snoozing() = job<PackArgs>("p") { handle { snooze(1.minutes) } }
                    fun discarding() = job<PackArgs>("p") { handleBlocking { discard("why") } }
                    """,
                ).shouldHaveSize(3).forAll { it shouldContainIgnoringCase "unresolved reference" }
            }

            test("cannot be left out of decide { }") {
                errorsOf("""fun forgetful() = job<PackArgs>("p") { decide { args -> println(args.item) } }""")
                    .shouldHaveSize(1)
                    .single() shouldContain "Outcome<Unit>"
            }

            test("cannot be dropped on one way through decide { }") {
                errorsOf(
                    """
                    fun forgetful() = job<PackArgs>("p") { decide { args -> if (args.item == "tea") done() } }
                    """,
                ).shouldHaveSize(1).single() shouldContain "Outcome<Unit>"
            }
        }
    })

private const val NO_TRANSACTION = "No context argument for 'tx: JdbcTransaction'"

private val IMPORTS =
    """
    import kittiwake.exposed.*
    import kittiwake.job.*
    import kotlin.time.Duration.Companion.minutes
    import org.jetbrains.exposed.v1.jdbc.Database
    import org.jetbrains.exposed.v1.jdbc.JdbcTransaction
    import org.jetbrains.exposed.v1.jdbc.transactions.suspendTransaction
    import org.jetbrains.exposed.v1.jdbc.transactions.transaction

    """.trimIndent()
