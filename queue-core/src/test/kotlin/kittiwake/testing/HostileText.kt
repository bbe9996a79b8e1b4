package kittiwake.testing

/** Text that means something somewhere: to SQL, to JSON, to the driver, to our own templates, to a log. */
object HostileText {
    /** It may stand wherever a text of the user's stands, and comes back as it was. */
    val harmless =
        listOf(
            "\"; drop table job; --", "'; drop table job; --", "a\"b", "a'b", "a''b", "x".repeat(64), "UPPER Case",
            "pg_mine", "中文 naïve עברית 🦆", "100% _", "%s %n {}", "back\\slash \\u0000 \\", "{schema}", "{role}",
            ":worker :queue ::text", "$1 $" + "{x} \$\$", "? ?? {call x()}", "null", "\"{}\"", "[\"a\",1]",
            "a\u00A0b\u200B", "-- /* */", "../..", "<script>alert(1)</script>",
        )

    /** It may stand in a text, and not in a name. */
    val lines = listOf("line\nbreak", "carriage\r\nreturn", "tab\t", "\u0007", "\u0085")

    /** PostgreSQL cannot store it. */
    val unstorable = listOf("nul \u0000", "\u0000", "lone \uD800", "\uDC00 lone", "🦆\uD83E")
}
