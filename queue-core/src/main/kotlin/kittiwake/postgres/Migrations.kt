package kittiwake.postgres

import kittiwake.SchemaException
import java.security.MessageDigest
import java.sql.Connection
import java.sql.SQLException

/** The numbered, forward-only SQL files that make the schema, and what a database says has been applied of them. */
internal class Migrations(private val schema: Schema) {
    private val files: List<Migration> = NAMES.mapIndexed { i, name -> Migration(i + 1, name, render(name)) }

    class Migration(val version: Int, val name: String, val sql: String) {
        /** Of the file as it is rendered, so a file that was changed after its release is noticed. */
        val hash: String by lazy {
            val digest = MessageDigest.getInstance("SHA-256").digest(sql.encodeToByteArray())
            digest.joinToString("") { "%02x".format(it) }
        }
    }

    /** Everything as one script: what [apply] would run on an empty database. */
    fun script(): String = buildString {
        append(bookkeeping)
        for (file in files) append('\n').append(file.sql).append('\n').append(record(file)).append('\n')
    }

    /** Applies what is missing, all of it or nothing, one migrator at a time. Returns the versions applied. */
    fun apply(connection: Connection): List<Int> {
        connection.autoCommit = false
        try {
            connection.createStatement().use { statement ->
                statement.execute("set transaction isolation level read committed, read write")
                statement.execute("set local lock_timeout = '10s'")
                statement.execute("select pg_advisory_xact_lock(hashtextextended('${schema.channel}/migrate', 0))")
                statement.execute(bookkeeping)
                val applied = applied(connection)
                check(applied)
                val missing = files.filter { it.version !in applied }
                for (file in missing) {
                    statement.execute(file.sql)
                    statement.execute(record(file))
                }
                connection.commit()
                return missing.map { it.version }
            }
        } catch (e: SQLException) {
            connection.rollback()
            throw if (e.sqlState == INSUFFICIENT_PRIVILEGE) SchemaException(notAllowed(connection, e)) else e
        } catch (e: Throwable) {
            connection.rollback()
            throw e
        }
    }

    private fun notAllowed(connection: Connection, e: SQLException): String {
        val role = connection.metaData.userName
        val database = connection.catalog
        return "Role \"$role\" may not migrate schema \"$schema\" (${e.message}). " +
            "As the owner of database \"$database\" run: grant create on database \"$database\" to \"$role\", " +
            "or apply the SQL that kittiwake.migrationSql() prints."
    }

    /**
     * Throws unless the schema is the one that this version knows. It breaks no transaction: it asks only for what is
     * there.
     */
    fun check(connection: Connection) {
        val found =
            connection.prepareStatement("select to_regclass(?) is not null").use { statement ->
                statement.setString(1, "${schema.quoted}.migration")
                statement.executeQuery().use { it.next() && it.getBoolean(1) }
            }
        if (!found) throw SchemaException(notFound(connection))
        val applied = applied(connection)
        check(applied)
        val missing = files.filter { it.version !in applied }
        if (missing.isNotEmpty()) {
            throw SchemaException(
                "Kittiwake's schema \"$schema\" is at version ${applied.keys.maxOrNull() ?: 0}, " +
                    "but this version of the library needs ${files.last().version}. As the owner of the schema " +
                    "run: kittiwake.migrate(), or the SQL that kittiwake.migrationSql() prints.",
            )
        }
    }

    private fun notFound(connection: Connection): String {
        val (role, database, path) =
            connection.createStatement().use { statement ->
                statement.executeQuery("select current_user, current_database(), current_setting('search_path')").use {
                    it.next()
                    Triple(it.getString(1), it.getString(2), it.getString(3))
                }
            }
        return "Kittiwake's tables were not found in schema \"$schema\" of database \"$database\" " +
            "(looked as role \"$role\", search_path $path). As a role that may create schemas " +
            "run: kittiwake.migrate(), or the SQL that kittiwake.migrationSql() prints."
    }

    private fun check(applied: Map<Int, String>) {
        val newest = applied.keys.maxOrNull() ?: 0
        if (newest > files.last().version) {
            throw SchemaException(
                "Kittiwake's schema \"$schema\" is at version $newest, newer than ${files.last().version}, " +
                    "the newest that this version of the library knows. Update the library.",
            )
        }
        for (file in files) {
            val hash = applied[file.version] ?: continue
            if (hash != file.hash) {
                throw SchemaException(
                    "Migration ${file.name} was applied to schema \"$schema\" in another form " +
                        "(hash $hash, here ${file.hash}). A released migration never changes: " +
                        "this database was made by another build of the library.",
                )
            }
        }
    }

    private fun applied(connection: Connection): Map<Int, String> = connection.createStatement().use { statement ->
        statement.executeQuery("select version, hash from ${schema.quoted}.migration").use { rows ->
            buildMap { while (rows.next()) put(rows.getInt(1), rows.getString(2)) }
        }
    }

    private val bookkeeping =
        """
        create schema if not exists ${schema.quoted};
        create table if not exists ${schema.quoted}.migration (
            version     int primary key,
            name        text not null,
            hash        text not null,
            applied_at  timestamptz not null default clock_timestamp()
        );
        """.trimIndent() + "\n"

    private fun record(file: Migration): String = "insert into ${schema.quoted}.migration (version, name, hash) " +
        "values (${file.version}, '${file.name}', '${file.hash}');"

    private fun render(name: String): String {
        val file = checkNotNull(javaClass.getResource("/kittiwake/migration/$name")) {
            "The migration $name is not in the jar"
        }
        return file.readText().replace("{schema}", schema.quoted).replace("{channel}", "'${schema.channel}'")
    }

    private companion object {
        const val INSUFFICIENT_PRIVILEGE = "42501"
        val NAMES = listOf("V001__create_jobs.sql")
    }
}
