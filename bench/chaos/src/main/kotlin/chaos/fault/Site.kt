package chaos.fault

import chaos.process.Seat
import chaos.server.CrashableServer
import chaos.server.SmallDisk

/** Where harm is done: one server, and the processes around it. */
class Site(
    val server: CrashableServer,
    /** Of the library. */
    val schema: String,
    /** Whom the processes log in as: not a superuser. */
    val role: String,
    val workers: List<Seat>,
    val producers: List<Seat>,
    /** Where some of the library's tables lie, if there is such a disk. */
    val disk: SmallDisk? = null,
) {
    /** The seat by its name. */
    fun seat(name: String?): Seat = requireNotNull((workers + producers).find { it.name == name }) {
        "There is no process \"$name\", only ${(workers + producers).joinToString { it.name }}"
    }

    internal val seats: List<Seat> get() = workers + producers

    /** The backends of the processes of the run, in `pg_stat_activity`. */
    internal val theirs: String = "usename = '$role' and pid <> pg_backend_pid()"
}
