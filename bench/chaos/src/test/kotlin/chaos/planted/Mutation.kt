package chaos.planted

/** A bug planted in a statement of the library, on its way to the server. */
class Mutation(private val verb: String, private val from: String, private val to: String) {
    init {
        require(from.count { it == '?' } == to.count { it == '?' }) {
            "\"$to\" must have as many parameters as \"$from\""
        }
    }

    /** [sql] with the bug, when it is the statement that is meant. */
    fun applied(sql: String): String {
        if (verbOf(sql) != verb) return sql
        check(from in sql) { "\"$from\" is not in \"$verb\" any more: plant the bug in what it says now:\n$sql" }
        return sql.replace(from, to)
    }

    companion object {
        private val VERB = Regex("""^/\* kittiwake: ([a-z ]+) \*/""", RegexOption.MULTILINE)

        /**
         * The name in the comment of every statement of the library, of several that are sent together the last one's; null
         * for a statement of somebody else.
         */
        fun verbOf(sql: String): String? = VERB.findAll(sql).lastOrNull()?.groupValues?.get(1)
    }
}
