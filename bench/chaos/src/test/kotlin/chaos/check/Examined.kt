package chaos.check

import chaos.history.History
import io.kotest.assertions.withClue
import io.kotest.matchers.collections.shouldBeEmpty
import io.kotest.matchers.collections.shouldHaveSize
import io.kotest.matchers.shouldBe
import io.kotest.matchers.string.shouldContain

infix fun Check.accepts(history: History) {
    val finding = examine(history)
    finding.violations.shouldBeEmpty()
    finding.inconclusive.shouldBeEmpty()
}

/** One violation, about [job], that says [what]. */
fun Check.catches(what: String, job: Long?, tell: ToldHistory.() -> Unit): Unit = catches(what, job, history(tell))

fun Check.catches(what: String, job: Long?, history: History) {
    val violations = examine(history).violations
    withClue(violations) { violations shouldHaveSize 1 }
    violations.single().what shouldContain what
    violations.single().job shouldBe job
    violations.single().check shouldBe id
}

fun Check.accepts(tell: ToldHistory.() -> Unit): Unit = this accepts history(tell)
