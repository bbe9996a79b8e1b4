package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldBeSortedWith
import io.kotest.matchers.ints.shouldBeLessThan
import io.kotest.matchers.shouldBe
import io.kotest.property.Arb
import io.kotest.property.arbitrary.long
import io.kotest.property.checkAll
import kotlin.random.Random

class ClaimBoundPropertySpec :
    FunSpec({
        val order = compareBy(Place::lane, Place::rank, Place::job)

        test("every visible ticket lies in exactly one span, whatever commits late, rolls back or is put first") {
            checkAll(400, Arb.long()) { seed ->
                val index = SimulatedIndex(Random(seed))
                val bound = ClaimBound()
                repeat(60) {
                    index.something()
                    val visible = index.visible().sortedWith(order)
                    val spans = bound.spans()
                    visible.filter { place -> spans.count { place in it } != 1 }.shouldBeEmpty()
                    val limit = index.random.nextInt(1, 6)
                    val taken = visible.take(limit)
                    index.take(taken)
                    bound.advance(index.snapshot(), taken, full = taken.size == limit)
                }
            }
        }

        test("spans come in the order of the index") {
            checkAll(200, Arb.long()) { seed ->
                val index = SimulatedIndex(Random(seed))
                val bound = ClaimBound()
                repeat(30) {
                    index.something()
                    val taken = index.visible().sortedWith(order).take(3)
                    index.take(taken)
                    bound.advance(index.snapshot(), taken, full = taken.size == 3)
                    bound.spans().map { Place(it.afterLane, it.afterRank, it.afterJob) } shouldBeSortedWith order
                }
            }
        }

        test("what has been claimed in a lane is not looked at again while nobody else is running") {
            val bound = ClaimBound()
            val claimed = (1L..500).map { Place(lane = 0, rank = it, job = it) }
            bound.advance(Snapshot(xmax = 501, running = emptyList()), claimed, full = true)
            claimed.filter { place -> bound.spans().any { place in it } }.shouldBeEmpty()
        }

        test("a long transaction costs one more span, not a walk") {
            val bound = ClaimBound()
            val claimed = (1L..500).map { Place(lane = 0, rank = it, job = it) }
            bound.advance(Snapshot(xmax = 501, running = listOf(7)), claimed, full = true)
            claimed.filter { place -> bound.spans().any { place in it } }.map { it.rank } shouldBe listOf(7L)
            bound.spans().size shouldBeLessThan 4
        }

        test("a ticket restored from a cluster whose transactions counted further hides nothing that comes after it") {
            val bound = ClaimBound()
            bound.advance(Snapshot(xmax = 100, running = emptyList()), listOf(Place(0, 9_000_000, 1)), full = true)
            val next = Place(0, 100, 2)
            bound.spans().count { next in it } shouldBe 1
        }

        test("reads a snapshot as the server writes it") {
            val snapshot = Snapshot.parse("10:20:10,14,15")
            snapshot.xmax shouldBe 20
            snapshot.running shouldBe listOf(10L, 14L, 15L)
            Snapshot.parse("10:10:").running.shouldBeEmpty()
        }
    })

/** Transactions that insert tickets, and end in any order: what the server would show to a claimer. */
private class SimulatedIndex(val random: Random) {
    private var nextTransaction = 1L
    private var nextJob = 1L
    private val running = mutableMapOf<Long, MutableList<Place>>()
    private val tickets = mutableSetOf<Place>()

    fun visible(): List<Place> = tickets.toList()

    fun snapshot(): Snapshot = Snapshot(nextTransaction, running.keys.sorted())

    fun take(places: List<Place>) {
        tickets -= places.toSet()
    }

    fun something() {
        repeat(random.nextInt(1, 8)) {
            when (random.nextInt(4)) {
                0 -> running[nextTransaction++] = mutableListOf()
                1, 2 -> running.entries.randomOrNull(random)?.let { (xid, tickets) -> tickets += ticketOf(xid) }
                else -> running.keys.randomOrNull(random)?.let(::end)
            }
        }
    }

    private fun end(transaction: Long) {
        val written = running.remove(transaction)!!
        if (random.nextInt(5) > 0) tickets += written
    }

    private fun ticketOf(transaction: Long): Place {
        val lane = random.nextInt(-3, 4)
        val rank = if (random.nextInt(5) == 0) -random.nextLong(1, 1_000) else transaction
        return Place(lane, rank, nextJob++)
    }
}
