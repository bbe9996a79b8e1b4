package bench

/** One thing to know about the queue, answered by measuring. */
internal interface Question {
    /** What the command line calls it. */
    val name: String

    /** The question in words, with what is held fixed. */
    val asks: String

    /** Measures; one row for each way of doing it. */
    fun answer(bench: Bench): List<Row>
}

/** What a question needs: a server, and how often to measure. */
internal class Bench(val server: Server, val options: Options) {
    /** Measures as often as asked, each time on fresh tables, and says on stderr what it does. */
    fun row(what: String, settings: String, measure: (Tables) -> Map<String, Double?>): Row {
        val runs =
            List(options.runs) { run ->
                System.err.println("  $what, $settings: run ${run + 1} of ${options.runs}")
                server.freshTables().use { tables ->
                    measure(tables).also {
                        System.err.println(
                            "    ${it.entries.joinToString { (k, v) ->
                                "$k ${v?.short() ?: "n/a"}"
                            }}",
                        )
                    }
                }
            }
        return Row(what, settings, runs)
    }
}
