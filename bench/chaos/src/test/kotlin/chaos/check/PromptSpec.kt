package chaos.check

import chaos.history.History
import io.kotest.core.spec.style.FunSpec
import io.kotest.matchers.maps.shouldContain
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

class PromptSpec :
    FunSpec({
        val check = Prompt()

        /** Nothing is broken until the end. */
        fun calm(notifications: Boolean = true, places: Int? = null, tell: ToldHistory.() -> Unit): History = history {
            joined("ana")
            tell()
            after(1.seconds)
        }.let {
            it.with(it.settings.copy(chaosFrom = it.settings.healedAt, notifications = notifications, places = places))
        }

        fun ToldHistory.claimedAfter(wait: Duration) {
            enqueued(1)
            after(wait)
            claimed(1)
            completed(1)
        }

        test("a job that is claimed soon") {
            check accepts calm { claimedAfter(1.seconds) }
        }
        test("a job that nobody told the sleepers of") {
            check.catches("waited 4.01s for its claim", 1, calm { claimedAfter(4.seconds) })
        }
        test("where there are no notifications, a poll more") {
            check accepts calm(notifications = false) { claimedAfter(3_200.milliseconds) }
            check.catches("waited 3.21s", 1, calm(notifications = true) { claimedAfter(3_200.milliseconds) })
            check.catches("waited 3.41s", 1, calm(notifications = false) { claimedAfter(3_400.milliseconds) })
        }
        test("a job that nobody claims") {
            check.catches(
                "waited for a claim in vain", 1,
                calm {
                    enqueued(1)
                    after(4.seconds)
                },
            )
        }
        test("a job that was not due, or not committed, until a moment ago") {
            val late = calm { claimedAfter(30.seconds) }
            check accepts late.with(late.changes.map { it.copy(due = late.settings.healedAt - 3.seconds) })
            check accepts late.with(late.changes.map { it.copy(committedAt = late.settings.healedAt - 3.seconds) })
        }
        test("a job that waits for a place") {
            fun busy(places: Int) = calm(places = places) {
                enqueued(1)
                claimed(1)
                enqueued(2)
                after(4.seconds)
                completed(1)
                claimed(2)
                completed(2)
            }
            check accepts busy(places = 1)
            check.catches("waited 4.02s", 2, busy(places = 2))
        }
        test("jobs from before there was a worker, and from the time of the faults, are not judged") {
            val early = calm {
                claimedAfter(4.seconds)
                joined("ben")
            }
            check accepts early
            check.examine(early).figures shouldContain ("judged" to "0")
            check accepts history {
                joined("ana")
                claimedAfter(4.seconds)
            }
        }
    })
