package chaos.check

import io.kotest.core.spec.style.FunSpec
import kotlin.time.Duration.Companion.seconds

class OneClaimAtATimeSpec :
    FunSpec({
        val check = OneClaimAtATime()

        test("claims that follow each other") {
            check.accepts {
                enqueued(1)
                claimed(1, by = "ana")
                failed(1)
                claimed(1, by = "ben")
                putBack(1)
                claimed(1, by = "ben")
                gaveUp("ben")
                rescued(1)
                claimed(1, by = "ana")
                left("ana")
                rescued(1)
                claimed(1, by = "cleo")
                completed(1)
            }
        }
        test("a claim of what another has") {
            check.catches("was claimed by ben while ana had it", 1) {
                enqueued(1)
                claimed(1, by = "ana")
                claimed(1, by = "ben")
                completed(1)
            }
        }
        test("a second return of one claim") {
            check.catches("was taken back (FAILED) while nobody had it", 1) {
                enqueued(1)
                claimed(1)
                failed(1)
                failed(1)
            }
        }
        test("a rescue from a worker that nobody gave up") {
            check.catches("was rescued from ana, who was not given up", 1) {
                enqueued(1)
                claimed(1, by = "ana")
                rescued(1)
            }
        }
        test("a rescue before its worker was given up") {
            check.catches("who was not given up", 1) {
                enqueued(1)
                claimed(1, by = "ana")
                rescued(1)
                gaveUp("ana")
            }
        }
        test("a worker given up too early") {
            check.catches("worker ana was given up after 1s", null) { gaveUp("ana", silentFor = 1.seconds) }
        }
    })
