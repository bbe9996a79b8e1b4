package bench

import bench.question.Depth
import bench.question.Drain
import bench.question.Enqueue
import bench.question.Handlers
import bench.question.Latency
import bench.question.Limit
import bench.question.Many
import bench.question.Snapshot
import bench.question.Steady
import kotlin.system.exitProcess

/** One question a file. A new one is added here and nowhere else. */
internal val questions: List<Question> =
    listOf(Limit, Drain, Enqueue, Steady, Latency, Depth, Snapshot, Many, Handlers)

/** Answers the questions named in [arguments], or all of them: each as a table, a chart and a file of JSON. */
fun main(arguments: Array<String>) {
    val options =
        try {
            Options.parse(arguments)
        } catch (e: IllegalArgumentException) {
            System.err.println("${e.message}\n\n${Options.usage(questions)}")
            exitProcess(2)
        }
    Server.open(options).use { server ->
        val report = Report(Machine.of(server), options)
        println(report.heading())
        for (question in questions.filter { it.name in options.questions }) {
            val answer = report.add(question, Bench(server, options).answer(question))
            println("\n$answer")
        }
        println("\n${report.save()}")
    }
    // Pools and dispatchers of the libraries keep threads; nothing is left to do for them.
    exitProcess(0)
}
