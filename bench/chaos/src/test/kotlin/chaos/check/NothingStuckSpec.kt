package chaos.check

import chaos.work.Deed
import io.kotest.core.spec.style.FunSpec

class NothingStuckSpec :
    FunSpec({
        val check = NothingStuck()

        test("what may stay, and nothing else") {
            check.accepts {
                done(1)
                enqueued(2, Deed.UNKNOWN)
                enqueued(3)
                cancelled(3)
                rest { it.copy(ready = it.ready + 3, listeners = 4, listenersExpected = 4) }
            }
        }
        test("a job in a lease") {
            check.catches("is still in a lease", 1) {
                enqueued(1)
                claimed(1)
            }
        }
        test("a job that waits") {
            check.catches("still waits: [ready]", 1) { enqueued(1) }
        }
        test("the ticket of a completed job") {
            check.catches("still waits: [scheduled]", 1) {
                done(1)
                rest { it.copy(scheduled = listOf(1)) }
            }
        }
        test("a job with two tickets") {
            check.catches("is in several places: [ready, scheduled]", 1) {
                enqueued(1, Deed.UNKNOWN)
                rest { it.copy(scheduled = listOf(1)) }
            }
        }
        test("a job without a ticket") {
            check.catches("has no ticket", 1) {
                enqueued(1, Deed.UNKNOWN)
                rest { it.copy(ready = emptyList()) }
            }
        }
        test("a connection in the middle of something") {
            check.catches("1 connections are in the middle", null) { rest { it.copy(busyConnections = 1) } }
        }
        test("a deaf worker") {
            check.catches("3 connections listen instead of 4", null) {
                rest { it.copy(listeners = 3, listenersExpected = 4) }
            }
        }
    })
