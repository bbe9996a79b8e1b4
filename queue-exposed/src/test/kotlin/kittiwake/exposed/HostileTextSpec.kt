package kittiwake.exposed

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.assertions.withClue
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.job.job
import kittiwake.testing.HostileText
import kotlinx.serialization.json.Json
import org.jetbrains.exposed.v1.jdbc.transactions.transaction

/** Whatever a text contains: it is refused before anything is sent, or it comes back as it was. */
class HostileTextSpec :
    FunSpec({
        test("what is enqueued in a transaction of Exposed comes back as it was") {
            Shop().use { shop ->
                for (text in HostileText.harmless) {
                    val job = transaction(shop.db) {
                        job<PackArgs>(text).enqueue(PackArgs(text)) {
                            queue = text
                            uniqueKey = text
                            metadata[text] = text
                        }
                    }
                    withClue(text) {
                        val found = shop.kittiwake.find(job.id).shouldNotBeNull()
                        found.name.value shouldBe text
                        found.queue.value shouldBe text
                        found.metadata shouldBe mapOf(text to text)
                        Json.decodeFromString<PackArgs>(found.args).item shouldBe text
                    }
                }
            }
        }

        test("what cannot be stored is refused, and the transaction goes on") {
            Shop().use { shop ->
                val job = transaction(shop.db) {
                    shop.place("before")
                    for (text in HostileText.unstorable) {
                        val refusals =
                            listOf(
                                shouldThrow<IllegalArgumentException> { pack.enqueue(PackArgs(text)) },
                                shouldThrow<IllegalArgumentException> { pack.enqueue(PackArgs("")) { queue = text } },
                                shouldThrow<IllegalArgumentException> {
                                    pack.enqueue(PackArgs("")) { uniqueKey = text }
                                },
                                shouldThrow<IllegalArgumentException> {
                                    pack.enqueue(PackArgs("")) { metadata[text] = "" }
                                },
                            )
                        refusals.forEach { it.message.shouldNotBeNull() shouldContain Regex("U\\+[0-9A-F]{4}") }
                    }
                    pack.enqueue(PackArgs("after"))
                }
                shop.orders() shouldBe listOf("before")
                shop.kittiwake.find(job.id).shouldNotBeNull()
            }
        }
    })
