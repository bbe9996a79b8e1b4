package chaos.plan

import io.kotest.assertions.withClue
import io.kotest.core.spec.style.FunSpec
import io.kotest.inspectors.forAll
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldContainAll
import io.kotest.matchers.collections.shouldNotBeEmpty
import io.kotest.matchers.shouldBe
import io.kotest.matchers.shouldNotBe
import io.kotest.property.Arb
import io.kotest.property.arbitrary.int
import io.kotest.property.arbitrary.long
import io.kotest.property.checkAll
import kotlin.time.Duration
import kotlin.time.Duration.Companion.ZERO
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

class FaultPlanSpec :
    FunSpec({
        val short = 40.seconds

        fun plan(
            seed: Long,
            length: Duration = short,
            workers: Int = 4,
            producers: Int = 2,
            without: Set<FaultKind> = emptySet(),
        ) = FaultPlan.of(seed, length, workers, producers, without)

        test("is the same for the same seed, byte for byte") {
            checkAll(RUNS, Arb.long()) { seed ->
                plan(seed).toString() shouldBe plan(seed).toString()
                plan(seed).hash shouldBe plan(seed).hash
            }
        }

        test("of seed 42 has not changed: a seed in an old report still means the same") {
            plan(42).hash shouldBe HASH_OF_42
        }

        test("differs from seed to seed") {
            (1L..100L).map { plan(it).hash }.toSet().size shouldBe 100
            plan(1) shouldNotBe plan(2)
        }

        test("has every kind of fault, even in a short run") {
            checkAll(RUNS, Arb.long()) { seed ->
                val plan = plan(seed)
                withClue(plan) { plan.kinds shouldBe FaultKind.entries.toSet() }
            }
        }

        test("cuts commits of workers and of producers, before and after") {
            checkAll(RUNS, Arb.long()) { seed ->
                val cuts = plan(seed).faults.map { it.kind to it.target?.substringBefore('-') }
                cuts shouldContainAll
                    listOf(FaultKind.CUT_BEFORE_COMMIT, FaultKind.CUT_AFTER_COMMIT).flatMap {
                        listOf(it to "worker", it to "producer")
                    }
            }
        }

        test("raises every error, even in a short run") {
            checkAll(RUNS, Arb.long()) { seed ->
                val errors = plan(seed).faults.filter { it.kind == FaultKind.SQL_ERROR }
                errors.flatMap { it.detail.orEmpty().split(' ').drop(1) } shouldContainAll Recipe.SQL_STATES
            }
        }

        test("leaves out what it is told to") {
            val without = setOf(FaultKind.DISK_FULL, FaultKind.KILL)
            plan(7, 10.minutes, without = without).kinds shouldBe FaultKind.entries.toSet() - without
        }

        test("stays within its length, and within bounds for each fault") {
            checkAll(RUNS, Arb.long(), Arb.int(40, 600)) { seed, length ->
                plan(seed, length.seconds).faults.forAll { fault ->
                    (fault.after > ZERO) shouldBe true
                    (fault.after + fault.lasts <= length.seconds) shouldBe true
                    val longest = if (fault.kind == FaultKind.HOLD_SNAPSHOT) LONGEST_HOLD else LONGEST
                    (fault.lasts in SHORTEST..longest) shouldBe true
                }
            }
        }

        test("always leaves one worker alone, and never does two things at once to one of them") {
            checkAll(RUNS, Arb.long(), Arb.int(2, 6)) { seed, workers ->
                val plan = plan(seed, 2.minutes, workers)
                val aimed = plan.faults.filter { it.target?.startsWith("worker") == true }
                aimed.forAll { fault ->
                    val meanwhile = aimed.filter { it.after <= fault.after && it.after + it.lasts > fault.after }
                    (meanwhile.size < workers) shouldBe true
                    meanwhile.count { it.target == fault.target } shouldBe 1
                }
            }
        }

        test("never keeps the whole server from working by two faults at once") {
            val whole = Recipe.FURTHER.getValue(Reach.SERVER).map { it.kind }
            checkAll(RUNS, Arb.long()) { seed ->
                plan(seed, 2.minutes).faults.filter { it.kind in whole }.zipWithNext { first, second ->
                    (second.after - (first.after + first.lasts) >= GAP) shouldBe true
                }
            }
        }

        test("has more faults in a longer run") {
            (plan(3, 5.minutes).faults.size > 4 * plan(3).faults.size) shouldBe true
        }

        test("has what fits of it in a run that is too short for everything") {
            plan(1, ZERO).faults.shouldBeEmpty()
            plan(1, 10.seconds).faults.forAll { (it.after + it.lasts <= 10.seconds) shouldBe true }
            plan(1, 10.seconds).faults.shouldNotBeEmpty()
        }

        test("can be read back from its text") {
            checkAll(RUNS, Arb.long()) { seed ->
                val plan = plan(seed, 1.minutes)
                val read = FaultPlan.parse(plan.toString())
                read.faults shouldBe plan.faults
                read.toString() shouldBe plan.toString()
                read.hash shouldBe plan.hash
            }
        }
    })

private const val RUNS = 100
private const val HASH_OF_42 = "4873c09a5298"
private val SHORTEST = 0.2.seconds
private val LONGEST = 8.seconds
private val LONGEST_HOLD = 30.seconds
private val GAP = 0.3.seconds
