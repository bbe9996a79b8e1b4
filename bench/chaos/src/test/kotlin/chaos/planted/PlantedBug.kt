package chaos.planted

import chaos.process.Pace

/** A bug, what must find it, and a scenario that goes well without the bug and shows it with it. */
class PlantedBug(
    /** What the code with the bug does. */
    val does: String,
    /** The check that is named for it. */
    val check: String,
    val pace: Pace = Miniature.pace(),
    val scenario: suspend Miniature.(isPlanted: Boolean) -> Unit,
)

/** One for each promise that a careless line of code would break. */
val plantedBugs: List<PlantedBug> =
    listOf(
        skipTheFence, completeByIdOnly, letExposedRetry, rescueByIdOnly, enqueueElsewhere, dropTheMarker,
        loseCompletions, releaseWhileRunning, notifyBeforeCommit, handOverWithATicket,
    )
