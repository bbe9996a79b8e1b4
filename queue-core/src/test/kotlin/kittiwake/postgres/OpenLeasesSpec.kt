package kittiwake.postgres

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.shouldBe
import kittiwake.KittiwakeSpi
import kittiwake.job.ClaimedJob
import kittiwake.store.Completion
import kittiwake.testing.aClaim
import kotlin.time.Duration.Companion.ZERO

@OptIn(KittiwakeSpi::class)
class OpenLeasesSpec :
    FunSpec({
        fun over(vararg claims: ClaimedJob): List<Completion> = claims.map { Completion.Succeeded(it, ZERO, null) }

        test("a lease is emptied by the completion of the last of its jobs, in whatever batches they come") {
            val leases = OpenLeases()
            val (a, b, c) = (1L..3L).map { aClaim(it, lease = 7) }
            leases.open(7, listOf(a, b, c))
            leases.closing(over(a, b)).emptied.shouldBeEmpty()
            leases.closing(over(a, b)).settle()
            leases.closing(over(c)).emptied shouldBe setOf(7L)
        }

        test("a completion that is told twice counts once: what is left in its lease stays held") {
            val leases = OpenLeases()
            val (a, b) = (1L..2L).map { aClaim(it, lease = 7) }
            leases.open(7, listOf(a, b))
            leases.closing(over(a)).settle()
            leases.closing(over(a)).emptied.shouldBeEmpty()
            leases.closing(over(a)).settle()
            leases.closing(over(a)).emptied.shouldBeEmpty()
            leases.closing(over(b)).emptied shouldBe setOf(7L)
        }

        test("one batch may empty one lease and not another") {
            val leases = OpenLeases()
            val (a, b) = (1L..2L).map { aClaim(it, lease = 7) }
            val c = aClaim(3, lease = 8)
            leases.open(7, listOf(a, b))
            leases.open(8, listOf(c))
            leases.closing(over(a, c)).emptied shouldBe setOf(8L)
        }
    })
