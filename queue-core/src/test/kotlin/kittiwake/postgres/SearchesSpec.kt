package kittiwake.postgres

import io.kotest.assertions.throwables.shouldThrow
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.shouldBe
import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes

class SearchesSpec :
    FunSpec({
        val snapshot = Snapshot(xmax = 100, running = emptyList())
        val ticket = Place(lane = 0, rank = 7, job = 3)
        val everywhere = ClaimBound().everything().toString()

        /** Where it looks next, when its first look, which was everywhere, has found [ticket]. */
        val afterIt = ClaimBound().apply { advance(snapshot, listOf(ticket), full = true) }.spans().toString()

        fun Searches.Search.find(full: Boolean = true) = found(snapshot, listOf(ticket), full)

        /** Who begins while another is at its turn, which ends when [until] says so; and where it looks. */
        fun searchedMeanwhile(searches: Searches, until: (Thread) -> Boolean): String {
            val begun = CountDownLatch(1)
            var spans = ""
            val other =
                thread(start = false) {
                    searches.inTurn { spans = it.spans.toString() }
                    begun.countDown()
                }
            searches.inTurn { search ->
                search.find()
                other.start()
                while (begun.count > 0 && !until(other)) Thread.onSpinWait()
            }
            other.join()
            return spans
        }

        test("who waits for its turn goes on where the one before it got to") {
            searchedMeanwhile(Searches(patience = 1.minutes), until = {
                it.state == Thread.State.TIMED_WAITING
            }) shouldBe
                afterIt
        }

        test("who has waited for long looks for itself, everywhere, beside the one that does not come back") {
            searchedMeanwhile(Searches(), until = { false }) shouldBe everywhere
        }

        test("who found many, of which rivals took all, has got no further") {
            val searches = Searches()
            searches.inTurn { it.find() }
            searches.inTurn { it.found(Snapshot(xmax = 200, running = emptyList()), emptyList(), full = true) }
            searches.inTurn { it.spans.toString() } shouldBe afterIt
        }

        test("who follows one that has failed goes on where the one before that got to") {
            val searches = Searches()
            searches.inTurn { it.find() }
            shouldThrow<IllegalStateException> { searches.inTurn { error("its turn was long in coming") } }
            searches.begin().spans.toString() shouldBe afterIt
        }

        test("turns are taken while searches are filled") {
            val searches = Searches()
            searches.mayTakeTurns shouldBe false
            searches.begin().find()
            searches.mayTakeTurns shouldBe true
            searches.begin().find(full = false)
            searches.mayTakeTurns shouldBe false
        }

        test("after three that take long there are no turns before the next look everywhere, which may be long") {
            val searches = Searches(quick = Duration.ZERO)
            val another = searches.begin()
            for (mayTakeTurns in listOf(true, true, true, false)) {
                searches.inTurn { it.find() }
                searches.mayTakeTurns shouldBe mayTakeTurns
            }
            another.find()
            searches.mayTakeTurns shouldBe true
        }
    })
