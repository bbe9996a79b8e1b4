package chaos

import chaos.history.Entry
import chaos.history.Journal
import chaos.process.Assignment
import chaos.process.Child
import chaos.process.Pace
import chaos.process.Seat
import chaos.proxy.Proxy
import chaos.server.CrashableServer
import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

/** The processes of a run, each in a place of its own behind a proxy of its own. */
class Cast(
    private val server: CrashableServer,
    private val results: Path,
    private val options: Options,
    private val pace: Pace,
) : AutoCloseable {
    val workers: List<Seat> = List(WORKERS) { seat("worker-${it + 1}", "chaos.process.WorkerMainKt", it) }
    val producers: List<Seat> = List(PRODUCERS) {
        seat(
            "producer-${it + 1}", "chaos.process.ProducerMainKt",
            WORKERS + it,
        )
    }

    /** In a long run: a worker that nothing ends, so that it can be seen whether it grows. */
    private val witness: Seat? =
        if (options.length >= LONG) seat("witness", "chaos.process.WorkerMainKt", WORKERS + PRODUCERS) else null

    val workerCount: Int get() = workers.size + listOfNotNull(witness).size

    private val all: List<Seat> get() = workers + producers + listOfNotNull(witness)

    private fun seat(name: String, mainClass: String, place: Int): Seat {
        val proxy = Proxy("127.0.0.1", server.port, name)
        return Seat(name, proxy) { arrival ->
            val assignment =
                Assignment(
                    name = name,
                    generation = arrival.generation,
                    jdbcUrl = server.url(proxy.port, APPLICATION) + URL_OPTIONS,
                    schema = SCHEMA,
                    journal = "${results.resolve("$name.journal")}",
                    seed = options.seed * SEATS + place,
                    pace = pace,
                    isWitness = name == "witness",
                )
            Child(mainClass, listOf(assignment.encoded()), results.resolve("$name.out"), clock = arrival.clock)
        }
    }

    fun begin() {
        all.forEach { it.occupy() }
    }

    /** Each worker in turn is told to end and replaced, as a deployment does it. */
    fun redeployWorkers() {
        for (seat in workers) {
            val generation = seat.generation
            if (seat.terminate()) seat.awaitSuccessor(generation)
        }
    }

    /** Nobody enqueues any more. */
    fun stopProducers() {
        producers.forEach { it.retire() }
    }

    fun stopWorkers(within: Duration = 30.seconds) {
        (workers + listOfNotNull(witness)).forEach { it.retire(within) }
    }

    fun journals(): Map<String, List<Entry>> =
        all.associate { it.name to Journal.read(results.resolve("${it.name}.journal").toFile()) }

    override fun close() {
        all.forEach {
            it.close()
            it.proxy.close()
        }
    }

    companion object {
        const val SCHEMA = "kittiwake"

        /** Who the processes are to the server: nobody special. */
        const val APPLICATION = "application"
        const val WORKERS = 4
        const val PRODUCERS = 2
        private const val SEATS = 10

        /** A process must live so long before it can be told whether it grows. */
        private val LONG = 5.minutes

        /** What every service should say: no wait is for ever, and no transaction outlives the one who began it. */
        private const val URL_OPTIONS =
            "&connectTimeout=3&socketTimeout=10&options=-c%20idle_in_transaction_session_timeout=5s"
    }
}
