package chaos.plan

import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** A plan for people, and back. */
internal object PlanText {
    private const val ANYBODY = "-"
    private val head = Regex("""seed (-?\d+), (\d+) ms""")
    private val line = Regex("""at +(\d+) ms for +(\d+) ms {2}([A-Z_]+) +(\S+)(?: {2}(.*))?""")

    fun write(plan: FaultPlan): String = buildString {
        appendLine("seed ${plan.seed}, ${plan.length.inWholeMilliseconds} ms")
        plan.faults.forEach { appendLine(write(it)) }
    }

    fun write(fault: Fault): String {
        val after = fault.after.inWholeMilliseconds.toString().padStart(TIME_WIDTH)
        val lasts = fault.lasts.inWholeMilliseconds.toString().padStart(LASTS_WIDTH)
        val kind = fault.kind.name.padEnd(KIND_WIDTH)
        return "at $after ms for $lasts ms  $kind ${fault.target ?: ANYBODY}" + fault.detail?.let { "  $it" }.orEmpty()
    }

    fun read(text: String): FaultPlan {
        val lines = text.lines().filter { it.isNotBlank() }
        val (seed, length) = matched(head, lines.firstOrNull().orEmpty())
        return FaultPlan(seed.toLong(), ms(length), lines.drop(1).map(::fault))
    }

    private fun fault(text: String): Fault {
        val (after, lasts, kind, target, detail) = matched(line, text)
        return Fault(
            kind = FaultKind.valueOf(kind),
            after = ms(after),
            lasts = ms(lasts),
            target = target.takeIf { it != ANYBODY },
            detail = detail.takeIf { it.isNotEmpty() },
        )
    }

    private fun matched(form: Regex, text: String): MatchResult.Destructured =
        requireNotNull(form.matchEntire(text)) { "\"$text\" is not a line of a fault plan, which looks like \"$form\"" }
            .destructured

    private fun ms(text: String): Duration = text.toLong().milliseconds

    private const val TIME_WIDTH = 8
    private const val LASTS_WIDTH = 5
    private val KIND_WIDTH = FaultKind.entries.maxOf { it.name.length }
}
