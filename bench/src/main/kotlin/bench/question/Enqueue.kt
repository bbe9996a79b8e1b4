package bench.question

import bench.Bench
import bench.Enqueuing
import bench.JobWriter
import bench.NoopArgs
import bench.Question
import bench.Sample
import bench.Tables
import bench.Way
import bench.limit.BareWays
import bench.noop
import bench.worker.WorkerProcess
import bench.worker.WorkerSettings
import kotlinx.coroutines.runBlocking
import java.sql.Connection

internal const val ONE_BY_ONE = "one job a transaction"
internal const val BULK = "1,000 jobs a transaction"
internal val PRODUCERS = listOf(1, 4, 16)
internal val BULK_PRODUCERS = listOf(1, 2, 4)

/** What an application pays for a job, in its own transactions. */
internal object Enqueue : Question {
    override val name = "enqueue"
    override val asks =
        "how many jobs of 100 bytes are committed a second, one by one and a thousand a transaction, by so many " +
            "producers at once? A worker at it has done 200,000 before, and sleeps when the first comes"

    private val type = noop(archive = true)

    override fun ways(bench: Bench): List<Way> {
        val bare = BareWays(bench)
        return PRODUCERS.flatMap { oneByOne(bench, bare, it) } + BULK_PRODUCERS.flatMap { inBulk(bench, bare, it) }
    }

    private fun oneByOne(bench: Bench, bare: BareWays, producers: Int): List<Way> {
        val insert = bare.oneByOne(ONE_BY_ONE, producers)
        val submitting = Enqueuing.oneByOne(producers) { tables, _ -> submit(tables) }
        val enqueuing = Enqueuing.oneByOne(producers, ::enqueue)
        return listOf(
            way(bench, ONE_BY_ONE, "enqueue + commit", enqueuing, insert),
            Way(ONE_BY_ONE, "the same, a worker at it", "$enqueuing", insert) { withWorker(bench, it, enqueuing) },
            way(bench, ONE_BY_ONE, "submit", submitting, bare.committingThemselves(ONE_BY_ONE, producers)),
        )
    }

    private fun inBulk(bench: Bench, bare: BareWays, producers: Int): List<Way> {
        val enqueuing = Enqueuing.bulk(producers, ::enqueueAll)
        return listOf(
            way(bench, BULK, "enqueueAll + commit", enqueuing, bare.arrays(BULK, producers)),
            bare.copies(BULK, producers),
        )
    }

    private fun way(bench: Bench, group: String, what: String, enqueuing: Enqueuing, limit: Way) =
        Way(group, what, "$enqueuing", limit) { tables ->
            enqueuing.measure(bench, tables) { tables.checkWaiting(enqueuing.total(bench.options)) }
        }

    /** It is asleep when the first job comes. */
    private fun withWorker(bench: Bench, tables: Tables, enqueuing: Enqueuing): Sample {
        val total = enqueuing.total(bench.options)
        WorkerProcess.start(WorkerSettings(bench.server.url, archive = true), bench.options).use { worker ->
            worker.warmUp(tables)
            worker.attend(total, bench.server)
            return enqueuing.measure(bench, tables, processes = { worker.look().cpu }) {
                worker.finish(total)
                tables.checkDone(total)
            }
        }
    }

    internal fun enqueue(tables: Tables, connection: Connection) = JobWriter { numbers ->
        tables.kittiwake.enqueue(connection, type, NoopArgs(numbers.single()))
        connection.commit()
    }

    private fun submit(tables: Tables) = JobWriter { numbers ->
        runBlocking { tables.kittiwake.submit(type, NoopArgs(numbers.single())) }
    }

    private fun enqueueAll(tables: Tables, connection: Connection) = JobWriter { numbers ->
        tables.kittiwake.enqueueAll(connection, type, numbers.map(::NoopArgs))
        connection.commit()
    }
}
