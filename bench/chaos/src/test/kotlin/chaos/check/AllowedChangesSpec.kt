package chaos.check

import io.kotest.core.spec.style.FunSpec

class AllowedChangesSpec :
    FunSpec({
        val check = AllowedChanges()

        test("steps that a job may take") {
            check.accepts {
                enqueued(1, maxAttempts = 3)
                claimed(1)
                began(1)
                failed(1)
                claimed(1)
                began(1)
                putBack(1)
                claimed(1)
                began(1)
                gaveUp("ana")
                rescued(1)
                claimed(1)
                began(1)
                discarded(1)
                enqueued(2)
                cancelled(2)
                enqueued(3)
                claimed(3)
                cancelled(3)
            }
        }
        test("a second enqueue") {
            check.catches("was WAITING when it was ENQUEUED", 1) {
                enqueued(1)
                enqueued(1)
            }
        }
        test("a claim of what nobody enqueued") {
            check.catches("was UNBORN when it was CLAIMED", 1) { claimed(1) }
        }
        test("a claim of what runs") {
            check.catches("was RUNNING when it was CLAIMED", 1) {
                enqueued(1)
                claimed(1)
                claimed(1)
            }
        }
        test("a claim after the end") {
            check.catches("was ENDED when it was CLAIMED", 1) {
                enqueued(1)
                claimed(1)
                completed(1)
                claimed(1)
            }
        }
        test("a second end") {
            check.catches("was ENDED when it was DISCARDED", 1) {
                enqueued(1)
                claimed(1)
                completed(1)
                discarded(1)
            }
        }
        test("a completion of what waits") {
            check.catches("was WAITING when it was COMPLETED", 1) {
                enqueued(1)
                completed(1)
            }
        }
        test("a claim that counts wrong") {
            check.catches("says attempt 3 instead of 1 when it was CLAIMED", 1) {
                enqueued(1)
                claimed(1, attempt = 3)
                failed(1)
            }
        }
        test("a claim for nothing: the failure before did not count") {
            check.catches("says attempt 1 instead of 2 when it was CLAIMED", 1) {
                enqueued(1)
                claimed(1)
                failed(1)
                claimed(1, attempt = 1)
                completed(1)
            }
        }
        test("a return at no cost that costs") {
            check.catches("says attempt 1 instead of 0 when it was PUT_BACK", 1) {
                enqueued(1)
                claimed(1)
                putBack(1, attempt = 1)
            }
        }
        test("an attempt too many") {
            check.catches("was claimed for attempt 2 of 1", 1) {
                enqueued(1, maxAttempts = 1)
                claimed(1)
                failed(1)
                claimed(1)
                completed(1)
            }
        }
        test("more starts than attempts") {
            check.catches("was started 2 times: it has 1 attempts, and 0 were not counted", 1) {
                enqueued(1, maxAttempts = 1)
                claimed(1)
                began(1)
                began(1)
                completed(1)
            }
        }
    })
