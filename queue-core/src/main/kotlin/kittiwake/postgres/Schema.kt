package kittiwake.postgres

/** The name of the schema that Kittiwake's tables live in, validated, and quoted wherever it appears in SQL. */
@JvmInline
internal value class Schema(val name: String) {
    init {
        require(ALLOWED.matches(name) && !name.startsWith("pg_")) {
            "A schema name has 1 to 48 of a-z, 0-9 and _, does not start with a digit or pg_, " +
                "but was \"${name.take(80)}\""
        }
    }

    val quoted: String get() = "\"$name\""

    /** The channel of its wake-ups: at most 58 bytes of the 63 that a channel's name may have. */
    val channel: String get() = "kittiwake_$name"

    override fun toString(): String = name

    private companion object {
        val ALLOWED = Regex("[a-z_][a-z0-9_]{0,47}")
    }
}
