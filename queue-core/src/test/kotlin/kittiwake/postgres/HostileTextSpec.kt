package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.assertions.withClue
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.nulls.shouldNotBeNull
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain
import kittiwake.KittiwakeSpi
import kittiwake.event.JobEvent
import kittiwake.java.JobQueue
import kittiwake.job.JobId
import kittiwake.job.Retention
import kittiwake.job.job
import kittiwake.testing.HostileText
import kittiwake.testing.RecordedEvents
import kittiwake.testing.TestDatabase
import kittiwake.testing.working
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import java.sql.Connection
import java.sql.SQLException
import java.util.function.Consumer
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

@Serializable
private data class Said(val text: String)

/** All that an enqueuer can say in words. */
private class Words(
    val name: String = "plain",
    val queue: String = "plain",
    val args: String = "",
    val key: String? = null,
    val metadata: Map<String, String> = emptyMap(),
)

private typealias Door = (Connection, Words) -> JobId

private val TOO_MUCH =
    listOf(
        Words(name = "x".repeat(101)) to "1 to 100 characters, not all of them spaces, but one had 101",
        Words(queue = "x".repeat(129)) to "1 to 128 characters, not all of them spaces, but one had 129",
        Words(queue = " \u00A0") to "not all of them spaces",
        Words(name = "kw.x") to "reserved",
        Words(key = "é".repeat(128)) to "1 to 255 bytes, but has 256",
        Words(key = "") to "1 to 255 bytes, but has 0",
        Words(metadata = mapOf("x" to "y".repeat(16_384))) to "16384 characters in all, but has 16385",
    )

/** Whatever a text contains: it is refused before anything is sent, or it comes back as it was. */
@OptIn(KittiwakeSpi::class)
class HostileTextSpec :
    FunSpec({
        val kittiwake = autoClose(TestDatabase.kittiwake())
        val java = JobQueue.of(kittiwake)

        fun typeOf(words: Words) = job<Said>(words.name) { queue = words.queue }

        fun kotlinDoor(c: Connection, words: Words) = kittiwake
            .enqueue(c, typeOf(words), Said(words.args)) {
                uniqueKey = words.key
                metadata += words.metadata
            }.id

        fun javaDoor(c: Connection, words: Words): JobId {
            val handle = java.enqueue(
                c, typeOf(Words(words.name)), Said(words.args),
                Consumer { settings ->
                    settings.queue(words.queue)
                    words.key?.let(settings::uniqueKey)
                    words.metadata.forEach(settings::metadata)
                },
            )
            return JobId(handle.id())
        }

        fun sqlDoor(c: Connection, words: Words): JobId =
            c.prepareStatement("select ${kittiwake.schema}.enqueue(?, ?, ?, unique_key => ?, metadata => ?)").use {
                it.setString(1, words.name)
                it.setString(2, Json.encodeToString(Said(words.args)))
                it.setString(3, words.queue)
                it.setString(4, words.key)
                it.setString(5, Json.encodeToString(words.metadata))
                it.executeQuery().use { rows -> JobId(rows.also { rows.next() }.getLong(1)) }
            }

        fun <T> inTransaction(block: (Connection) -> T): T = TestDatabase.connect { connection ->
            connection.autoCommit = false
            block(connection).also { connection.commit() }
        }

        suspend fun shouldComeBack(door: Door, words: Words) {
            val id = inTransaction { door(it, words) }
            val job = kittiwake.find(id).shouldNotBeNull()
            job.name.value shouldBe words.name
            job.queue.value shouldBe words.queue
            Json.decodeFromString<Said>(job.args).text shouldBe words.args
            job.metadata shouldBe words.metadata
            if (words.key != null) inTransaction { door(it, words) } shouldBe id
        }

        for ((name, door) in listOf<Pair<String, Door>>("Kotlin" to ::kotlinDoor, "Java" to ::javaDoor)) {
            test("what $name enqueues comes back as it was") {
                for (text in HostileText.harmless) {
                    withClue(text) { shouldComeBack(door, Words(text, text, text, text, mapOf(text to text))) }
                }
                for (text in HostileText.lines) {
                    withClue(text) {
                        shouldComeBack(door, Words(args = text, key = text, metadata = mapOf(text to text)))
                    }
                }
            }

            test("what $name may not enqueue is refused with what is wrong, and the transaction goes on") {
                val texts = HostileText.unstorable
                val wrong =
                    (texts + HostileText.lines).flatMap { listOf(Words(name = it), Words(queue = it)) } +
                        texts.flatMap { listOf(Words(args = it), Words(key = it), Words(metadata = mapOf(it to ""))) } +
                        texts.map { Words(metadata = mapOf("k" to it)) }
                inTransaction { connection ->
                    for (words in wrong) {
                        shouldThrow<IllegalArgumentException> { door(connection, words) }
                            .message
                            .shouldNotBeNull() shouldContain Regex("U\\+[0-9A-F]{4}")
                    }
                    for ((words, limit) in TOO_MUCH) {
                        shouldThrow<IllegalArgumentException> { door(connection, words) }.message shouldContain limit
                    }
                    door(connection, Words(args = "still usable"))
                }.let { kittiwake.find(it) }.shouldNotBeNull()
            }
        }

        test("what plain SQL enqueues comes back as it was, or is refused by the tables") {
            for (text in HostileText.harmless) {
                withClue(text) { shouldComeBack(::sqlDoor, Words(text, text, text, text, mapOf(text to text))) }
            }
            val names = HostileText.lines + " \u00A0" + "x".repeat(129)
            val wrong = names.flatMap { listOf(Words(it), Words(queue = it)) }
            for (words in wrong + Words(name = "kw.x") + Words(key = "")) {
                withClue("${words.name} in ${words.queue}") {
                    shouldThrow<SQLException> { inTransaction { sqlDoor(it, words) } }.sqlState shouldBe "23514"
                }
            }
            for (metadata in listOf("no json", "[]", "1", """{"a":1}""", """{"a":{"b":"c"}}""", """{"a":"\u0000"}""")) {
                withClue(metadata) {
                    shouldThrow<SQLException> {
                        TestDatabase.execute("select ${kittiwake.schema}.enqueue('plain', metadata => '$metadata')")
                    }
                }
            }
        }

        test("queues and jobs of any name are worked, by a worker of any name, and its wake-ups reach it") {
            val here = autoClose(TestDatabase.kittiwake())
            val elsewhere = autoClose(Kittiwake.connect(TestDatabase.dataSource) { schema = here.schema })
            val types = HostileText.harmless.map { text -> text to job<Said, String>(text) }
            val events = RecordedEvents()
            here.working(events, {
                name = "\"; drop table worker; -- {schema} :worker"
                types.forEach { (text, type) ->
                    queue(text)
                    handle(type) { args -> args.text }
                }
                pollEvery = 10.minutes
            }) {
                for ((text, type) in types) {
                    val id = elsewhere.submit(type, Said(text)).id
                    withClue(text) { events.awaitOf<JobEvent.Completed>(id, within = 10.seconds) }
                    here.find(id).shouldNotBeNull().result shouldBe Json.encodeToString(text)
                }
            }
        }

        test("a worker's name that cannot be stored is refused when it is configured") {
            for (text in HostileText.unstorable + HostileText.lines + " " + "x".repeat(101)) {
                shouldThrow<IllegalArgumentException> {
                    kittiwake.worker {
                        name = text
                        queue("plain")
                    }
                }.message shouldContain "Worker names"
            }
        }

        test("a schema's name is one of a few letters, or refused, and any word of SQL will do") {
            val upperOrLong = listOf("Upper", "x".repeat(49), "1st", "", "kitti.wake")
            for (text in HostileText.harmless + HostileText.lines + HostileText.unstorable + upperOrLong - "null") {
                shouldThrow<IllegalArgumentException> { Kittiwake.connect(TestDatabase.dataSource) { schema = text } }
                    .message shouldContain "1 to 48 of a-z, 0-9 and _"
            }
            Kittiwake.connect(TestDatabase.dataSource) { schema = "select" }.use { reserved ->
                reserved.migrate()
                reserved.find(reserved.submit(job<Said>("plain"), Said("")).id).shouldNotBeNull()
                reserved.store.prune(setOf(Retention.Default))
                TestDatabase.execute("drop schema \"select\" cascade")
            }
        }
    })
