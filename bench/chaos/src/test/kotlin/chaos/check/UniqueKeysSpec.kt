package chaos.check

import chaos.history.Outcome.COMMITTED
import chaos.work.Deed
import io.kotest.core.spec.style.FunSpec

class UniqueKeysSpec :
    FunSpec({
        val check = UniqueKeys()

        test("one unfinished job of a name and key") {
            check.accepts {
                enqueued(1, Deed.KEYED, key = "a")
                enqueued(2, Deed.KEYED, key = "b")
                enqueued(3, Deed.EXTERNAL, key = "a")
                offered(1, deed = Deed.KEYED, key = "a")
                settled(1, COMMITTED, 1, isNew = listOf(false))
                claimed(1)
                completed(1)
                enqueued(4, Deed.KEYED, key = "a")
            }
        }
        test("twins") {
            check.catches("has the name and key of unfinished job 1", 2) {
                enqueued(1, Deed.KEYED, key = "a")
                claimed(1)
                enqueued(2, Deed.KEYED, key = "a")
                completed(1)
            }
        }
        test("an enqueue that was told of a job that never was") {
            check.catches("was never committed", 1) {
                offered(1, deed = Deed.KEYED, key = "a")
                settled(1, COMMITTED, 1, isNew = listOf(false))
            }
        }
        test("an enqueue that was told of a job with another key") {
            check.catches("it is \"keyed\" with key b", 1) {
                enqueued(1, Deed.KEYED, key = "b")
                offered(1, deed = Deed.KEYED, key = "a")
                settled(1, COMMITTED, 1, isNew = listOf(false))
            }
        }
    })
