package kittiwake.postgres

/** What a role of the database may do with a queue: see [Kittiwake.grantSql]. */
public enum class Access {
    /** Enqueue, and nothing else: it cannot read what jobs are about. */
    ENQUEUE,

    /** Enqueue, work, find, cancel: all but [Kittiwake.migrate]. */
    WORK,
    ;

    /** The SQL that gives it to [role]. */
    internal fun grants(schema: Schema, role: String): String {
        require(role.isNotEmpty() && role.encodeToByteArray().size <= MAX_BYTES && '\u0000' !in role) {
            "The name of a role has 1 to $MAX_BYTES bytes and no U+0000, but was \"${role.take(MAX_BYTES + 20)}\""
        }
        require(role != "public") {
            "The role \"public\" is everybody, even in quotes: grant access to a role of your own"
        }
        val file = "/kittiwake/grant/${name.lowercase()}.sql"
        val sql = checkNotNull(javaClass.getResource(file)) { "$file is not in the jar" }.readText()
        val quoted = "\"${role.replace("\"", "\"\"")}\""
        return PLACE.replace(sql) { if (it.value == "{role}") quoted else schema.quoted }
    }

    private companion object {
        const val MAX_BYTES = 63
        val PLACE = Regex("""\{(schema|role)}""")
    }
}
