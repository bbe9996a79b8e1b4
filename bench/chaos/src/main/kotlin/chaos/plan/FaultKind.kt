package chaos.plan

/** What can go wrong, by the numbers of the fault list. */
enum class FaultKind(val id: String, val says: String) {
    KILL("N1", "a worker process is killed"),
    PAUSE("N2", "a worker process stands still and wakes again"),
    RESTART("N3", "a worker process is told to end, and another takes its place"),
    TERMINATE_BACKEND("N4", "the server ends a connection of the library"),
    CRASH_SERVER("N5", "the server crashes and comes back"),
    BLACKHOLE("N6", "nothing passes between a process and the server, either way"),
    BLACKHOLE_IN("N6 in", "nothing passes from the server to a process"),
    BLACKHOLE_OUT("N6 out", "nothing passes from a process to the server"),
    RESET("N7", "connections of a process are reset"),
    DELAY("N8", "everything between a process and the server is late"),
    CUT_BEFORE_COMMIT("N9 before", "the connection is cut before a COMMIT reaches the server"),
    CUT_AFTER_COMMIT("N9 after", "the connection is cut on the answer to a COMMIT"),
    SQL_ERROR("N10", "statements of the library fail in the server"),
    LOCK_TABLE("N11", "a table is locked"),
    HOLD_SNAPSHOT("N12", "a session holds an old snapshot"),
    CONNECTION_LIMIT("N13", "the server takes no more connections"),
    READ_ONLY("N14", "the database takes no writes"),
    CLOCK_OFFSET("N15", "the clock of a worker process is wrong"),
    NO_NOTIFICATIONS("N16", "notifications are lost, listeners cut off"),
    DISK_FULL("N17", "the disk is full"),
    STATEMENT_TIMEOUT("N20", "statements run into a timeout"),
    CPU_HOG("N21", "somebody else uses the processors"),
}
