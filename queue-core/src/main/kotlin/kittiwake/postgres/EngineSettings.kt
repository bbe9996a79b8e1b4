package kittiwake.postgres

/**
 * What the engine's statements need, whatever the role, the database and the user's pool are set to.
 *
 * Plans must not depend on the statistics of tables that are empty one minute and full the next: hot statements have
 * one good plan, by index, and are kept to it. Timeouts keep every statement far shorter than a lease.
 */
internal object EngineSettings {
    private val SETTINGS =
        listOf(
            "statement_timeout = '10s'",
            "lock_timeout = '5s'",
            "idle_in_transaction_session_timeout = '30s'",
            "plan_cache_mode = force_generic_plan",
            "enable_seqscan = off",
            "enable_bitmapscan = off",
            "jit = off",
        )

    /** For a session that is the engine's own. */
    fun ofSession(name: String): String = (
        listOf(
            "application_name = 'kittiwake $name'",
            "session characteristics as transaction isolation level read committed, read write",
        ) + SETTINGS
    ).joinToString(";\n") { "set $it" }

    /** Begins a transaction that has them, and takes them with it when it ends. */
    fun ofTransaction(): String =
        SETTINGS.joinToString(";\n", prefix = "begin isolation level read committed, read write;\n") { "set local $it" }
}
