package bench

/** Measures: a server, and how often. */
internal class Bench(val server: Server, val options: Options) {
    /**
     * In rounds of all ways rather than way by way: an hour in which the machine is slow is slow for all of them, and
     * what is compared was measured within minutes.
     */
    fun answer(question: Question): List<Row> {
        val ways = wanted(question.ways(this))
        require(ways.isNotEmpty()) { "Nothing of \"${question.name}\" contains \"${options.only}\"" }
        val samples = ways.associateWith { mutableListOf<Sample>() }
        repeat(options.runs) { round ->
            for (way in ways) {
                System.err.println("  $way: run ${round + 1} of ${options.runs}")
                val sample = server.freshTables().use(way.measure)
                System.err.println("    ${sample.figures.entries.joinToString { (name, it) -> "$name ${it.short()}" }}")
                samples.getValue(way) += sample
            }
        }
        return ways.map { way -> Row.of(way, samples.getValue(way), way.limit?.let(samples::getValue)) }
    }

    /** A limit comes just before the first way that is compared with it, and with it when it was not asked for. */
    private fun wanted(ways: List<Way>): List<Way> {
        val all = ways.flatMap { listOfNotNull(it.limit, it) }.distinct()
        val asked = all.filter { options.wants(it.toString()) }
        return all.filter { way -> way in asked || asked.any { it.limit == way } }
    }
}
