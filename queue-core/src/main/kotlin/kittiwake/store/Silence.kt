package kittiwake.store

/** What is kept of an attempt whose worker fell silent. */
internal const val SILENT = "The worker was silent for too long: it crashed, was killed or lost the database."

/** What is kept of a job that is discarded because it is to blame for [crashes] of them. */
internal fun parked(crashes: Int?): String = "The worker was silent for too long while it ran this job, which is to " +
    "blame for $crashes such crashes, the last one alone: it is discarded, though attempts may be left, because it " +
    "seems to end the process that runs it. Find what it does to it (memory, native code, an exit), mend that, and " +
    "enqueue a job with the same args. crashLimit says how many crashes end a job."
