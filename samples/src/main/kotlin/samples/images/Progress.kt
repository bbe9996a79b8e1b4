package samples.images

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/** One line that moves while [block] runs; where there is no console that could move it, a line now and then. */
suspend fun <T> withProgress(monitor: Monitor, block: suspend () -> T): T = coroutineScope {
    val isConsole = System.console() != null
    val started = TimeSource.Monotonic.markNow()
    val line = launch(Dispatchers.IO) {
        while (isActive) {
            val text = progressLine(monitor.now(), started.elapsedNow())
            if (isConsole) print("\r$text  ") else println(text)
            delay(if (isConsole) 100.milliseconds else 2.seconds)
        }
    }
    try {
        block()
    } finally {
        line.cancel()
        line.join()
        val text = progressLine(monitor.now(), started.elapsedNow())
        println(if (isConsole) "\r$text  " else text)
    }
}

/** Short enough for a console of 80 columns, where a longer line could not move. */
private fun progressLine(now: Overview, took: Duration): String {
    val all = now.jobs { true }
    val bar = "#".repeat(if (all == 0) 0 else BAR * (all - now.unfinished) / all).padEnd(BAR, '.')
    val running = now.jobs { it.state == "running" }
    val completed = now.jobs { it.state == "completed" }
    val discarded = now.jobs { it.state == "discarded" }
    return "[$bar] %3d waiting  %2d running  %3d completed  %2d discarded  %5s s"
        .format(now.unfinished - running, running, completed, discarded, took.seconds)
}

private const val BAR = 14
