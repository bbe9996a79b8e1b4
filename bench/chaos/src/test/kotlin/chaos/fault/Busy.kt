package chaos.fault

import kittiwake.job.job
import kittiwake.postgres.Kittiwake
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.postgresql.ds.PGSimpleDataSource
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** A process that enqueues and works, and is not told of faults: something to do harm to. */
object Busy {
    private val chore = job<String>("chore") { handle { } }

    /** Long, so that tables grow by a page every few jobs, but not so long that it is compressed. */
    private val freight = "x".repeat(1_500)

    @JvmStatic
    fun main(args: Array<String>) {
        val (url, schema) = args
        val kittiwake =
            Kittiwake.connect(PGSimpleDataSource().also { it.setURL(url) }) { this.schema = schema }
        val worker =
            kittiwake.worker {
                queue("chore") { concurrency = 4 }
                jobs(chore)
                lease = 2.seconds
                heartbeatEvery = 400.milliseconds
                rescueEvery = 300.milliseconds
            }
        runBlocking {
            launch { worker.run() }
            while (true) {
                try {
                    kittiwake.submit(chore, freight)
                } catch (e: CancellationException) {
                    throw e
                } catch (e: Exception) {
                    println(e.message)
                }
                delay(10.milliseconds)
            }
        }
    }
}
