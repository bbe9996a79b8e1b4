package chaos.fault

import chaos.TestServer
import chaos.fault.BusySite.Companion.NAME
import chaos.plan.Fault
import chaos.plan.FaultKind
import chaos.plan.FaultPlan
import chaos.plan.Injected
import chaos.proxy.Traffic
import io.kotest.assertions.nondeterministic.eventually
import io.kotest.core.spec.style.FunSpec
import io.kotest.inspectors.forAll
import io.kotest.matchers.collections.shouldContainExactlyInAnyOrder
import io.kotest.matchers.ints.shouldBeGreaterThan
import io.kotest.matchers.shouldBe
import io.kotest.matchers.shouldNotBe
import kotlinx.coroutines.launch
import kotlin.time.Duration.Companion.seconds

/** Real processes, a real server, and every kind of fault. */
class InjectorSpec :
    FunSpec({
        val busy = autoClose(BusySite(TestServer.results.resolve("injector")))
        val server = busy.server
        val injector = Injector(busy.site)
        val wake = "select pg_get_functiondef('$NAME.wake(text)'::regprocedure)"
        val wakeBefore = server.ask(wake)

        suspend fun awaitWork() {
            val ended = busy.ended()
            eventually(30.seconds) { busy.ended() shouldBeGreaterThan ended }
        }

        suspend fun shouldBeWell() {
            server.ask(wake) shouldBe wakeBefore
            server.ask("select count(*) from pg_trigger where tgname = 'chaos_fail'") shouldBe "0"
            server.ask("select rolconnlimit from pg_roles where rolname = '$NAME'") shouldBe "-1"
            (busy.site.workers + busy.site.producers).forAll { it.proxy.traffic shouldBe Traffic.Pass }
            awaitWork()
        }

        test("does every kind of harm, sees it strike, and leaves nothing of it") {
            awaitWork()
            val plan = FaultPlan.parse("seed 0, 8000 ms$EVERYTHING")
            plan.kinds shouldBe FaultKind.entries.toSet()
            val told = mutableListOf<Fault>()
            val injected = injector.run(plan) { synchronized(told) { told += it.fault } }
            injected.map { it.fault } shouldBe plan.faults
            told shouldContainExactlyInAnyOrder plan.faults
            // While one holds everybody up, longer than it was told to, a short one may meet nobody.
            val idle = injected.filterNot { it.hasStruck }.map { it.fault }
            if (idle.isNotEmpty()) {
                awaitWork()
                injector.run(FaultPlan(plan.seed, plan.length, idle)).forAll { it.hasStruck shouldBe true }
            }
            injected.forAll { (it.until - it.from >= it.fault.lasts) shouldBe true }
            shouldBeWell()
        }

        test("a fault that cannot be done says why, and the others are done") {
            val plan =
                FaultPlan.parse(
                    """
                    seed 0, 1000 ms
                    at 0 ms for 100 ms  KILL worker-9
                    at 0 ms for 100 ms  CPU_HOG -
                    """.trimIndent(),
                )
            val (kill, hog) = injector.run(plan)
            kill.strikes shouldBe 0
            kill.note shouldNotBe null
            hog.strikes shouldBeGreaterThan 0
        }

        test("a disk stays full until that has met somebody").config(enabled = busy.site.disk != null) {
            awaitWork()
            injector.run(FaultPlan.parse("seed 0, 1000 ms\nat 0 ms for 1 ms  DISK_FULL -")).single().hasStruck shouldBe
                true
            shouldBeWell()
        }

        test("takes everything back when it is cancelled in the middle, and has nothing to heal after that") {
            val plan =
                FaultPlan.parse(
                    """
                    seed 0, 60000 ms
                    at 0 ms for 60000 ms  READ_ONLY -
                    at 0 ms for 60000 ms  NO_NOTIFICATIONS -
                    at 0 ms for 60000 ms  BLACKHOLE worker-1
                    at 0 ms for 60000 ms  PAUSE worker-2
                    at 0 ms for 60000 ms  CONNECTION_LIMIT -
                    at 0 ms for 60000 ms  DISK_FULL -
                    """.trimIndent(),
                )
            val run = launch { injector.run(plan) }
            eventually(10.seconds) {
                server.ask("select rolconnlimit from pg_roles where rolname = '$NAME'") shouldNotBe "-1"
                server.ask(wake) shouldNotBe wakeBefore
            }
            run.cancel()
            run.join()
            shouldBeWell()
            injector.heal()
            shouldBeWell()
        }
    })

/** Listeners that were cut off are not yet notifications that were lost. */
private val Injected.hasStruck: Boolean get() = strikes > 0 && note?.startsWith("0 notifications") != true

private const val EVERYTHING = """
at     0 ms for  6900 ms  HOLD_SNAPSHOT -
at     0 ms for  1200 ms  DISK_FULL -
at     0 ms for  1200 ms  CUT_AFTER_COMMIT worker-1  one in 2
at     0 ms for  1200 ms  CUT_BEFORE_COMMIT worker-2  one in 2
at     0 ms for  1200 ms  NO_NOTIFICATIONS -
at  1300 ms for   600 ms  SQL_ERROR -  0.9 40001 terminate
at  1300 ms for   600 ms  DELAY producer-1  5 to 100 ms
at  1300 ms for   500 ms  CPU_HOG -
at  2000 ms for  1500 ms  BLACKHOLE worker-1
at  2000 ms for  1500 ms  BLACKHOLE_IN worker-2
at  2000 ms for  1500 ms  BLACKHOLE_OUT producer-1
at  3600 ms for   700 ms  LOCK_TABLE -  ready
at  4400 ms for   500 ms  READ_ONLY -
at  4400 ms for   300 ms  RESET worker-1
at  5000 ms for   800 ms  STATEMENT_TIMEOUT -
at  5900 ms for   800 ms  CONNECTION_LIMIT -
at  5900 ms for   500 ms  TERMINATE_BACKEND -  any
at  6800 ms for   300 ms  CRASH_SERVER -  postmaster
at  6800 ms for   300 ms  PAUSE worker-1
at  6800 ms for   100 ms  KILL worker-2
at  6800 ms for   100 ms  RESTART producer-1
at  7200 ms for   100 ms  CLOCK_OFFSET worker-1  3h Pacific/Kiritimati
"""
