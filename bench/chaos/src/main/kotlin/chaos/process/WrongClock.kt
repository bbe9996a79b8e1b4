package chaos.process

import kotlin.time.Duration

/**
 * A clock that differs from everybody else's.
 *
 * The kernel can shift the monotonic and the boot clock of a process (a time namespace, which only root may make), but
 * not its wall clock. That one is told apart by its zone, and by the property `chaos.clock.offset` for programs that
 * want to know.
 */
class WrongClock(val offset: Duration, val zone: String) {
    /** What to put before the command, and what was done, in words. */
    internal val prefix: List<String> =
        if (isPossible) listOf("unshare", "-T", "--monotonic", shift, "--boottime", shift) else emptyList()

    internal val options: List<String> = listOf("-Duser.timezone=$zone", "-Dchaos.clock.offset=$offset")

    val says: String =
        if (isPossible) {
            "monotonic and boot clock ahead by $offset, time zone $zone; a wall clock cannot be shifted per process"
        } else {
            "time zone $zone only: no time namespaces for this user on this machine"
        }

    private val shift: String get() = offset.inWholeSeconds.toString()

    private companion object {
        val isPossible: Boolean by lazy { command("unshare", "-T", "--monotonic", "1", "true") == 0 }
    }
}
