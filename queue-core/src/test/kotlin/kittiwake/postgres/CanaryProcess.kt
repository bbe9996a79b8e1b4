package kittiwake.postgres

import com.zaxxer.hikari.HikariDataSource
import kittiwake.event.JobEvent
import kittiwake.job.GiveUp
import kittiwake.job.JobType
import kittiwake.job.fixed
import kittiwake.job.job
import kittiwake.job.limit
import kittiwake.job.retry
import kittiwake.testing.RecordedEvents
import kittiwake.testing.working
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

@Serializable
class Canary(val song: String, val pitch: Double = 1.0)

/** It is written under the same name, and cannot be read. */
@Serializable
class Parrot(val song: List<String>)

/** What its text is, without a class before it. */
class Shouting(private val text: String) : RuntimeException() {
    override fun toString(): String = text
}

/**
 * A process in which everything carries the song: args, results, keys, metadata, errors, reasons; and in which much goes
 * wrong. It prints what its callers were thrown, and the names of its threads; the rest is what the library logs.
 */
object CanaryProcess {
    private val sings = job<Canary, Canary>("sings")
    private val misread = job<Parrot>("sings")
    private val fails = job<Canary>("fails") { retry = fixed(10.milliseconds).limit(2) }
    private val shouts = job<Canary>("shouts") { retry = fixed(10.milliseconds).limit(2) }
    private val givesUp = job<Canary>("gives-up") { retry = retry { failure -> GiveUp(failure.cause.message!!) } }
    private val isDropped = job<Canary>("is-dropped")
    private val isRefused = job<Canary>("is-refused") { priority = 7 }
    private val isUnknown = job<Canary>("is-unknown") { queue = "sings" }

    @JvmStatic
    fun main(args: Array<String>) {
        val (url, schema, song) = args
        val users = HikariDataSource().apply {
            jdbcUrl = url
            maximumPoolSize = 2
        }
        val kittiwake = Kittiwake.connect(users) { this.schema = schema }
        val events = RecordedEvents()
        runBlocking {
            kittiwake.working(events, {
                queue("sings", "fails", "shouts", "gives-up", "is-dropped", "is-refused")
                lease = 1.seconds
                heartbeatEvery = 200.milliseconds
                rescueEvery = 100.milliseconds
                handle(sings) { it }
                handle(fails) { error(it.song) }
                handle(shouts) { throw Shouting(it.song) }
                handle(givesUp) { error(it.song) }
                handle(isRefused) { }
                decide(isDropped) { discard(it.song) }
            }) {
                suspend fun enqueue(type: JobType<Canary, *>) = kittiwake
                    .submit(type, Canary(song)) {
                        uniqueKey = "$song ${type.name}"
                        metadata[song] = song
                    }.id
                events.awaitOf<JobEvent.Completed>(enqueue(sings))
                val reads = kittiwake.submit(misread, Parrot(listOf(song))).id
                for (ends in listOf(reads, enqueue(fails), enqueue(shouts), enqueue(givesUp), enqueue(isDropped))) {
                    events.awaitOf<JobEvent.Discarded>(ends)
                }
                events.awaitOf<JobEvent.Snoozed>(enqueue(isUnknown))
                val refused = enqueue(isRefused)
                events.awaitOf<JobEvent.Failed>(refused)
                say { kittiwake.cancel(refused) }
                say { println(kittiwake.find(refused)) }
                say { kittiwake.submit(sings, Canary(song, Double.NaN)) }
                say { kittiwake.submit(sings, Canary("$song \u0000")) }
                say { kittiwake.submit(sings, Canary(song)) { uniqueKey = song.repeat(50) } }
                say { kittiwake.submit(sings, Canary(song)) { metadata[song] = song.repeat(2_000) } }
                say { Kittiwake.connect(HikariDataSource().apply { jdbcUrl = url.replace(Regex(":\\d+/"), ":x/") }) }
                Thread.getAllStackTraces().keys.forEach { println("thread ${it.name}") }
            }
        }
        kittiwake.close()
    }

    private suspend fun say(block: suspend () -> Unit) {
        try {
            block()
        } catch (e: Exception) {
            println("thrown ${e.stackTraceToString()}")
        }
    }
}
