package chaos.plan

import chaos.plan.FaultKind.BLACKHOLE
import chaos.plan.FaultKind.BLACKHOLE_IN
import chaos.plan.FaultKind.BLACKHOLE_OUT
import chaos.plan.FaultKind.CLOCK_OFFSET
import chaos.plan.FaultKind.CONNECTION_LIMIT
import chaos.plan.FaultKind.CPU_HOG
import chaos.plan.FaultKind.CRASH_SERVER
import chaos.plan.FaultKind.CUT_AFTER_COMMIT
import chaos.plan.FaultKind.CUT_BEFORE_COMMIT
import chaos.plan.FaultKind.DELAY
import chaos.plan.FaultKind.DISK_FULL
import chaos.plan.FaultKind.HOLD_SNAPSHOT
import chaos.plan.FaultKind.KILL
import chaos.plan.FaultKind.LOCK_TABLE
import chaos.plan.FaultKind.NO_NOTIFICATIONS
import chaos.plan.FaultKind.PAUSE
import chaos.plan.FaultKind.READ_ONLY
import chaos.plan.FaultKind.RESET
import chaos.plan.FaultKind.RESTART
import chaos.plan.FaultKind.SQL_ERROR
import chaos.plan.FaultKind.STATEMENT_TIMEOUT
import chaos.plan.FaultKind.TERMINATE_BACKEND
import kotlin.random.Random
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

/** Whom a kind of fault meets, and which faults must not meet at once. */
internal enum class Reach {
    WORKER,
    PRODUCER,

    /** All of the server: nothing works meanwhile, so one after the other. */
    SERVER,

    /** Everybody, but work goes on. */
    SURROUNDINGS,

    /** For a long time, beside everything else. */
    PHASE,
}

/** How long a kind of fault takes, and what is to be known of it besides. */
internal class Recipe(
    val kind: FaultKind,
    private val from: Duration,
    private val to: Duration,
    private val detail: (Random) -> String? = { null },
) {
    fun lasts(random: Random): Duration =
        random.nextLong(from.inWholeMilliseconds, to.inWholeMilliseconds + 1).milliseconds

    fun detail(random: Random): String? = detail.invoke(random)

    companion object {
        /** What SQL_ERROR may raise; `terminate` ends the backend in the middle of the statement. */
        val SQL_STATES = listOf("40001", "40P01", "53100", "53300", "55P03", "57014", "25006", "terminate")

        private fun cutOneIn(random: Random) = "one in ${random.nextInt(2, 5)}"

        private fun states(choose: (List<String>) -> List<String>): (Random) -> String = { random ->
            "0.${random.nextInt(1, 4)} " + choose(SQL_STATES).joinToString(" ")
        }

        private val CUTS =
            listOf(
                Recipe(CUT_BEFORE_COMMIT, 3.seconds, 5.seconds, ::cutOneIn),
                Recipe(CUT_AFTER_COMMIT, 3.seconds, 5.seconds, ::cutOneIn),
            )

        /** All that a run must have had; a lease is two seconds. */
        val FORCED: Map<Reach, List<Recipe>> =
            mapOf(
                Reach.WORKER to
                    listOf(
                        Recipe(KILL, 1.seconds, 3.seconds),
                        Recipe(PAUSE, 4.seconds, 8.seconds),
                        Recipe(RESTART, 3.seconds, 5.seconds),
                        Recipe(BLACKHOLE, 4.seconds, 7.seconds),
                        Recipe(BLACKHOLE_IN, 3.seconds, 6.seconds),
                        Recipe(BLACKHOLE_OUT, 3.seconds, 6.seconds),
                        Recipe(RESET, 500.milliseconds, 1.seconds),
                        Recipe(DELAY, 3.seconds, 6.seconds) { "5 to 500 ms" },
                        Recipe(CLOCK_OFFSET, 5.seconds, 8.seconds) { "${it.nextInt(1, 49)}h Pacific/Kiritimati" },
                    ) + CUTS,
                // Twice, for one may fall into a time in which nothing can be enqueued.
                Reach.PRODUCER to listOf(Recipe(KILL, 500.milliseconds, 2.seconds)) + CUTS + CUTS,
                Reach.SERVER to
                    listOf(
                        Recipe(CRASH_SERVER, 1.seconds, 3.seconds) { "postmaster" },
                        Recipe(SQL_ERROR, 1500.milliseconds, 3.seconds, states { it.take(it.size / 2) }),
                        Recipe(SQL_ERROR, 1500.milliseconds, 3.seconds, states { it.drop(it.size / 2) }),
                        Recipe(LOCK_TABLE, 3.seconds, 3.seconds) { listOf("job", "ready", "lease").random(it) },
                        Recipe(CONNECTION_LIMIT, 2.seconds, 4.seconds),
                        Recipe(READ_ONLY, 1500.milliseconds, 3.seconds),
                        Recipe(DISK_FULL, 2.seconds, 3.seconds),
                        Recipe(STATEMENT_TIMEOUT, 2.seconds, 3.seconds),
                    ),
                Reach.SURROUNDINGS to
                    listOf(
                        Recipe(TERMINATE_BACKEND, 1.seconds, 3.seconds) {
                            listOf("any", "listener", "control")
                                .random(it)
                        },
                        Recipe(NO_NOTIFICATIONS, 3.seconds, 6.seconds),
                        Recipe(CPU_HOG, 2.seconds, 4.seconds),
                    ),
                Reach.PHASE to listOf(Recipe(HOLD_SNAPSHOT, 6.seconds, 10.seconds)),
            )

        /** What comes besides when there is time: the same, and milder or rarer forms. */
        val FURTHER: Map<Reach, List<Recipe>> =
            FORCED +
                mapOf(
                    Reach.WORKER to FORCED.getValue(Reach.WORKER) +
                        listOf(
                            Recipe(PAUSE, 1.seconds, 3.seconds),
                            Recipe(BLACKHOLE, 1.seconds, 3.seconds),
                            Recipe(KILL, 200.milliseconds, 500.milliseconds),
                        ),
                    Reach.PRODUCER to FORCED.getValue(Reach.PRODUCER) +
                        listOf(
                            Recipe(PAUSE, 1.seconds, 4.seconds),
                            Recipe(RESTART, 1.seconds, 3.seconds),
                            Recipe(BLACKHOLE, 1.seconds, 5.seconds),
                            Recipe(BLACKHOLE_IN, 1.seconds, 5.seconds),
                            Recipe(BLACKHOLE_OUT, 1.seconds, 5.seconds),
                            Recipe(RESET, 500.milliseconds, 1.seconds),
                            Recipe(DELAY, 2.seconds, 5.seconds) { "5 to 500 ms" },
                        ),
                    Reach.SERVER to FORCED.getValue(Reach.SERVER) +
                        Recipe(CRASH_SERVER, 1.seconds, 2.seconds) { "backend" },
                    Reach.PHASE to listOf(Recipe(HOLD_SNAPSHOT, 10.seconds, 30.seconds)),
                )
    }
}
