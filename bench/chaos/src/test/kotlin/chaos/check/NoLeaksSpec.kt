package chaos.check

import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.string.shouldContain
import kotlin.time.Duration.Companion.minutes
import kotlin.time.Duration.Companion.seconds

class NoLeaksSpec :
    FunSpec({
        val check = NoLeaks()
        val mb = 1024L * 1024

        test("a process that stays what it was") {
            check.accepts {
                weighed("ana", 20 * mb, 25 * mb, 22 * mb, 24 * mb, every = 2.minutes)
                after(8.minutes)
            }
        }
        test("a heap that grows") {
            check.catches("ana: heap grew", null) {
                weighed("ana", 20 * mb, 40 * mb, 60 * mb, 80 * mb, every = 2.minutes)
                after(8.minutes)
            }
        }
        test("threads that come and do not go") {
            check.catches("ana: threads grew from 20 to 50", null) {
                weighed("ana", 20 * mb, 20 * mb, 20 * mb, 20 * mb, every = 2.minutes, grows = 10)
                after(8.minutes)
            }
        }
        test("a process that took another's name began anew") {
            check.accepts {
                weighed("ana", 10 * mb, 10 * mb, 10 * mb, 10 * mb, 90 * mb, 90 * mb, every = 2.minutes)
                after(7.minutes)
                started("ana")
                after(10.minutes)
            }
        }
        test("a short run says that it is too short") {
            val told = history { after(90.seconds) }
            check accepts told
            check.examine(told).notes.single() shouldContain "too short to tell"
        }
        test("a long run in which nobody was weighed is inconclusive") {
            check.examine(history { after(6.minutes) }).inconclusive shouldHaveSize 1
        }
    })
