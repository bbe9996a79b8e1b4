package chaos.proxy

import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds

/** What a proxy does with what passes through it. */
sealed interface Traffic {
    data object Pass : Traffic

    /**
     * Takes bytes and loses them, and says nothing of ends: to either side the other seems alive and silent. New
     * connections are taken. A connection that lost something is reset when this is over.
     */
    data class Blackhole(val toServer: Boolean = true, val toClient: Boolean = true) : Traffic

    /** Ends new connections as soon as they are made; the others go on. */
    data object Refuse : Traffic

    /** Everything is late, either way, by a time drawn from [from] to [to] for each chunk. */
    data class Delay(val from: Duration = 5.milliseconds, val to: Duration = 500.milliseconds) : Traffic

    /**
     * Cuts the connection at every [every]th commit, counted for each kind of commit, beginning with the first: COMMIT
     * itself, and each statement of the library that changes something in a transaction of its own.
     */
    data class Cut(val moment: Moment, val every: Int = 1) : Traffic

    enum class Moment {
        /** The server never hears of the commit. */
        BEFORE,

        /** The server has committed, and the client never hears of it. */
        AFTER,
    }
}

internal enum class Direction { TO_SERVER, TO_CLIENT }

internal fun Traffic.swallows(direction: Direction): Boolean = this is Traffic.Blackhole &&
    when (direction) {
        Direction.TO_SERVER -> toServer
        Direction.TO_CLIENT -> toClient
    }

/** What a proxy did, counted: chunks for what is swallowed or late, connections for all else. */
enum class Strike {
    SWALLOWED_TO_SERVER,
    SWALLOWED_TO_CLIENT,
    REFUSED,
    DELAYED,
    RESET,
    CUT_BEFORE_COMMIT,
    CUT_AFTER_COMMIT,
    CUT_BEFORE_STATEMENT,
    CUT_AFTER_STATEMENT,
}
