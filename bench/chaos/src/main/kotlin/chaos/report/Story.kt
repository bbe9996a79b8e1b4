package chaos.report

import chaos.history.Change
import chaos.history.Entry
import chaos.history.History
import chaos.history.LifeChange
import chaos.plan.Injected
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.Instant

/** Everything that is known of one job, by time: what a violation is read by. */
class Story(private val history: History, private val job: Long) {
    private class Line(val at: Instant, val who: String, val what: String)

    private val changes = history.byJob[job].orEmpty()
    private val businesses =
        history.entries<Entry.Settled>().filter { job in it.ids }.mapTo(mutableSetOf()) { it.business }
    private val workers = changes.mapNotNullTo(mutableSetOf()) { it.worker }

    /** One line for each thing, the first one at `+0`. */
    fun lines(): List<String> {
        val own = changes.map { Line(it.at, "store", said(it)) } + entries()
        val from = own.minOfOrNull { it.at } ?: return listOf("Nothing is known of job $job")
        val until = own.maxOf { it.at }
        // Of the same moment first what was done to it.
        val all = faults(from, until) + lives(from, until) + own
        val effects = history.effects.filter { it.job == job }.map { "effect \"${it.what}\" of lease ${it.lease}" }
        val rest = listOfNotNull(
            "unfinished".takeIf { job in history.rest.jobs },
            "ready".takeIf { job in history.rest.ready },
            "scheduled".takeIf { job in history.rest.scheduled },
            "leased".takeIf { job in history.rest.leased },
            history.rest.archived[job]?.let { "archived as ${it.joinToString()}" },
        )
        return listOf("Job $job \"${changes.firstNotNullOfOrNull { it.name }}\", at first $from") +
            all.sortedBy { it.at }.map { "%+10.3f s  %-14s %s".format(seconds(it.at - from), it.who, it.what) } +
            "In the end: ${(rest + effects).joinToString().ifEmpty { "no trace" }}"
    }

    override fun toString(): String = lines().joinToString("\n")

    private fun seconds(since: Duration) = since.inWholeMicroseconds / 1e6

    private fun said(change: Change) = listOfNotNull(
        "${change.kind} attempt ${change.attempt}",
        change.lease?.let { "lease $it" },
        change.worker?.let { "worker $it" },
        change.parent?.let { "parent $it" },
        change.key?.let { "key $it" },
    ).joinToString()

    private fun entries(): List<Line> = history.journals.flatMap { (process, entries) ->
        entries.mapNotNull { entry -> said(entry)?.let { Line(entry.at, process, it) } }
    }

    private fun said(entry: Entry): String? = when (entry) {
        is Entry.Began -> "began attempt ${entry.attempt} in lease ${entry.lease}".takeIf { entry.job == job }
        is Entry.Over -> "over${entry.thrown?.let { ", thrown $it" }.orEmpty()}".takeIf { entry.job == job }
        is Entry.Told -> "told ${entry.event} of attempt ${entry.attempt}".takeIf { entry.job == job }
        is Entry.CalledOff -> "called off: ${entry.answer}".takeIf { entry.job == job }
        is Entry.Offered ->
            "offered ${entry.jobs} with business row ${entry.business}".takeIf { entry.business in businesses }
        is Entry.Settled ->
            "${entry.outcome} business row ${entry.business} ${entry.sqlState.orEmpty()}".trim().takeIf {
                job in
                    entry.ids
            }
        else -> null
    }

    private fun lives(from: Instant, until: Instant): List<Line> = history.lives
        .filter { it.worker in workers && it.at in from - AROUND..until + AROUND && it.isWorthALine }
        .map { Line(it.at, "store", "${it.kind} worker ${it.worker}, silent for ${it.at - it.lastSeen}") }

    /** Of signs of life only those that came late. */
    private val LifeChange.isWorthALine: Boolean
        get() = kind != LifeChange.Kind.BEAT || at - lastSeen > history.settings.lease - SHORT

    private fun faults(from: Instant, until: Instant): List<Line> = history.faults
        .filter { it.from <= until + AROUND && it.until >= from - AROUND }
        .flatMap {
            listOf(Line(it.from, "fault", "${said(it)} begins"), Line(it.until, "fault", "${said(it)} ends"))
        }

    private fun said(it: Injected) =
        listOfNotNull(it.fault.kind.id, it.fault.kind.name, it.fault.target ?: "everybody", it.fault.detail)
            .joinToString(" ")

    private companion object {
        val AROUND = 5.seconds
        val SHORT = 500.milliseconds
    }
}
