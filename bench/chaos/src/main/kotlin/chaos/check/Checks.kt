package chaos.check

import chaos.history.History

/** All that is asked of a run, in the order of its numbers. */
val checks: List<Check> =
    listOf(
        NothingLost(),
        EffectsOnce(),
        OneClaimAtATime(),
        Fenced(),
        AllowedChanges(),
        NothingStuck(),
        ComesWithItsFeature("K7", "G15", "The jobs of one key run in the order in which they were committed"),
        UniqueKeys(),
        ComesWithItsFeature("K9", "G16", "No key runs more often at a time than its limit says"),
        ComesWithItsFeature("K10", "G13", "Each slot of a schedule has exactly one job"),
        ExplainedDuplicates(),
        Recovery(),
        ExplainedErrors(),
        NoLeaks(),
        NotVacuous(),
        Prompt(),
    )

/** Keeps the place of a check whose feature the library does not have yet. */
class ComesWithItsFeature(override val id: String, guarantee: String, override val claim: String) : Check {
    override val guards: List<String> = listOf(guarantee)

    override fun examine(history: History): Finding = Finding(notes = listOf("comes with its feature"))
}
