package chaos.check

import chaos.work.Deed
import io.kotest.core.spec.style.FunSpec

class EffectsOnceSpec :
    FunSpec({
        val check = EffectsOnce()

        test("one effect of what is completed, none of what is not") {
            check.accepts {
                done(1, Deed.BANK)
                effect(1)
                enqueued(2, Deed.BANK)
                claimed(2)
                discarded(2)
                done(3)
                enqueued(4, Deed.BANK)
                claimed(4)
                failed(4)
                claimed(4)
                effect(4)
                completed(4)
            }
        }
        test("no effect of what is completed") {
            check.catches("is completed, with 0 effects", 1) { done(1, Deed.BANK) }
        }
        test("two effects of what is completed") {
            check.catches("is completed, with 2 effects", 1) {
                done(1, Deed.BANK)
                effect(1)
                effect(1)
            }
        }
        test("an effect of what is not completed") {
            check.catches("is not completed, with 1 effects", 1) {
                enqueued(1, Deed.BANK)
                claimed(1)
                effect(1)
                discarded(1)
            }
        }
        test("the effect of another attempt than completed it") {
            check.catches("is completed by attempt 2", 1) {
                enqueued(1, Deed.BANK)
                claimed(1)
                effect(1)
                failed(1)
                claimed(1)
                completed(1)
            }
        }
        test("an effect of a job that never was") {
            check.catches("was never enqueued", 9) { strayEffect(9) }
        }
        test("money from nowhere") {
            check.catches("the bank holds 7", null) { rest { it.copy(balance = 7) } }
        }

        context("a handler that broke its transaction") {
            fun ToldHistory.abused() {
                enqueued(1, Deed.ABUSIVE)
                claimed(1)
                effect(1, "before")
                failed(1)
                claimed(1)
                effect(1, "before")
            }
            test("may have committed what it wrote before, and is completed by an attempt that did not") {
                check.accepts {
                    abused()
                    effect(1, "done")
                    completed(1)
                }
            }
            test("kept what it wrote after") {
                check.catches("from after its transaction was broken", 1) {
                    abused()
                    effect(1, "done")
                    effect(1, "after", lease = leaseOf(1) - 1)
                    completed(1)
                }
            }
            test("completed its job") {
                check.catches("with \"done\" []", 1) {
                    abused()
                    completed(1)
                }
            }
            test("kept the end without the completion") {
                check.catches("is not completed, with the effect", 1) {
                    abused()
                    effect(1, "done")
                    discarded(1)
                }
            }
            test("completed its job in a transaction that had lost its beginning") {
                check.catches("lost its effect \"before\"", 1) {
                    enqueued(1, Deed.ABUSIVE)
                    claimed(1)
                    effect(1, "done")
                    completed(1)
                }
            }
            test("did it twice in one transaction") {
                check.catches("more than once", 1) {
                    abused()
                    effect(1, "before")
                    effect(1, "done")
                    completed(1)
                }
            }
        }

        context("a chain") {
            fun ToldHistory.link(job: Long, left: Int, parent: Long? = null) {
                enqueued(job, Deed.CHAIN, parent = parent)
                claimed(job)
                effect(job, "reached $left")
                completed(job)
            }
            test("has three children of each completed job but the last") {
                check.accepts {
                    link(1, left = 1)
                    (2L..4L).forEach { link(it, left = 0, parent = 1) }
                    enqueued(5, Deed.CHAIN)
                    claimed(5)
                    discarded(5)
                }
            }
            test("lost a child") {
                check.catches("completed, with 2 children instead of 3", 1) {
                    link(1, left = 1)
                    (2L..3L).forEach { link(it, left = 0, parent = 1) }
                }
            }
            test("has children twice") {
                check.catches("completed, with 6 children instead of 3", 1) {
                    link(1, left = 1)
                    (2L..7L).forEach { link(it, left = 0, parent = 1) }
                }
            }
            test("has children of a job that is not completed") {
                check.catches("not completed, with 3 children instead of 0", 1) {
                    enqueued(1, Deed.CHAIN)
                    (2L..4L).forEach { link(it, left = 0, parent = 1) }
                }
            }
            test("has orphans") {
                check.catches("was never enqueued, and has 1 children", 1) { link(2, left = 0, parent = 1) }
            }
            test("skips a generation") {
                check.catches("has 0 generations to come, its parent 2", 2) {
                    link(1, left = 2)
                    link(2, left = 0, parent = 1)
                    (3L..4L).forEach {
                        link(it, left = 1, parent = 1)
                        (0L..2L).forEach { child -> link(it * 10 + child, left = 0, parent = it) }
                    }
                }
            }
        }
    })
