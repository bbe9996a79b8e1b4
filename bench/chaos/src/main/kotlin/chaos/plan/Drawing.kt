package chaos.plan

import kotlin.random.Random
import kotlin.random.asKotlinRandom
import kotlin.time.Duration
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/**
 * Draws a plan. Time is divided into tracks on which one fault follows another with a gap between: one track fewer than
 * there are workers, so that one of them is always left alone; one for the server; and so on. First everything that is
 * forced, then more of it for as long as there is time.
 */
internal class Drawing(
    seed: Long,
    private val length: Duration,
    private val targets: Targets,
    private val without: Set<FaultKind>,
) {
    // The algorithm of java.util.Random is part of its contract; that of Kotlin's may change.
    private val random: Random = java.util.Random(seed).asKotlinRandom()
    private val drawn = mutableListOf<Fault>()

    fun draw(): List<Fault> {
        drawOn(Reach.WORKER, tracksFor(targets.workers), targets.workers)
        drawOn(Reach.PRODUCER, tracksFor(targets.producers), targets.producers)
        drawOn(Reach.SERVER, tracks = 1)
        drawOn(Reach.SURROUNDINGS, tracks = 1)
        drawOn(Reach.PHASE, tracks = 1)
        return drawn.sortedWith(compareBy({ it.after }, { it.kind }, { it.target }))
    }

    private fun tracksFor(names: List<String>): Int = if (names.isEmpty()) 0 else maxOf(1, names.size - 1)

    private fun drawOn(reach: Reach, tracks: Int, names: List<String> = emptyList()) {
        if (tracks == 0) return
        val forced = recipes(Recipe.FORCED, reach).map { it to it.lasts(random) }.shuffled(random)
        val ends = MutableList(tracks) { ZERO }
        val gap = gap(reach, forced.fold(ZERO) { sum, (_, lasts) -> sum + lasts } / tracks, forced.size / tracks + 1)
        forced.forEach { (recipe, lasts) -> place(recipe, lasts, gap, ends, names) }
        val further = recipes(Recipe.FURTHER, reach)
        while (further.isNotEmpty()) {
            val placed = further.shuffled(random).count {
                place(it, it.lasts(random), GAP.getValue(reach), ends, names)
            }
            if (placed == 0) break
        }
    }

    private fun recipes(from: Map<Reach, List<Recipe>>, reach: Reach): List<Recipe> =
        from.getValue(reach).filter { it.kind !in without }

    /** As long as there is time for: a short run has to fit everything, too. */
    private fun gap(reach: Reach, busy: Duration, faults: Int): Duration =
        ((length - busy) / (faults + 1)).coerceIn(SHORTEST_GAP, GAP.getValue(reach))

    /** After whatever ends first, at somebody who is left alone for so long. False when the run is over by then. */
    private fun place(
        recipe: Recipe,
        lasts: Duration,
        gap: Duration,
        ends: MutableList<Duration>,
        names: List<String>,
    ): Boolean {
        val track = ends.indices.minBy { ends[it] }
        val wait = random.nextLong(gap.inWholeMilliseconds / 2, gap.inWholeMilliseconds + 1).milliseconds
        val after = ends[track] + wait
        if (after + lasts > length) return false
        val target = names.filter { name -> isAlone(name, after) }.ifEmpty { names }.randomOrNull(random)
        drawn += Fault(recipe.kind, after, lasts, target, recipe.detail(random))
        ends[track] = after + lasts
        return true
    }

    private fun isAlone(name: String, at: Duration): Boolean =
        drawn.none { it.target == name && it.after + it.lasts + SHORTEST_GAP / 2 >= at }

    private companion object {
        val SHORTEST_GAP = 600.milliseconds

        /** Between two faults on one track, when there is time enough. */
        val GAP =
            mapOf(
                Reach.WORKER to 2.seconds,
                Reach.PRODUCER to 4.seconds,
                Reach.SERVER to 3.seconds,
                Reach.SURROUNDINGS to 4.seconds,
                Reach.PHASE to 10.seconds,
            )
    }
}
