package bench

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres
import kittiwake.postgres.Kittiwake
import org.postgresql.ds.PGSimpleDataSource
import javax.sql.DataSource

/** The schema of all benchmarks. It is dropped before each run. */
internal const val SCHEMA = "kittiwake_bench"

/** Where the servers of a JDBC URL are, without anything else that it says. */
internal fun hostsOf(url: String): List<String> = PGSimpleDataSource().also { it.setURL(url) }.serverNames.toList()

/** The server that is measured: the embedded one, or one given by its URL. Either must be durable. */
internal class Server private constructor(
    val url: String,
    private val hasStatements: Boolean,
    /** Whether nobody else has anything on it. */
    private val isOwn: Boolean,
    private val stop: () -> Unit,
) : AutoCloseable {
    val dataSource: DataSource = dataSource(url)

    /** Tables that nobody has used. */
    fun freshTables(): Tables {
        execute("set client_min_messages = warning; drop schema if exists $SCHEMA cascade")
        if (hasStatements) execute("select pg_stat_statements_reset()")
        val kittiwake = Kittiwake.connect(dataSource) { schema = SCHEMA }
        kittiwake.migrate()
        return Tables(this, kittiwake)
    }

    /** As a server is that has had the time to tidy up: what comes next is measured without it. */
    fun settle() {
        execute(if (isOwn) "vacuum analyze" else "vacuum analyze ${ask(OWN_TABLES)}")
        execute("checkpoint")
    }

    fun ask(sql: String): String = dataSource.connection.use { connection ->
        connection.createStatement().use { it.executeQuery(sql).use { row -> row.next().run { row.getString(1) } } }
    }

    fun execute(sql: String) {
        dataSource.connection.use { connection -> connection.createStatement().use { it.execute(sql) } }
    }

    /** What the statements of the last run cost; nothing unless it was asked for. */
    fun printStatements() {
        if (hasStatements) System.err.println(ask(STATEMENTS))
    }

    override fun close() {
        stop()
    }

    companion object {
        fun open(options: Options): Server {
            val given = options.jdbcUrl?.let { Server(it, hasStatements = false, isOwn = false) {} }
            val server = given ?: embedded(options.statements)
            for (setting in listOf("fsync", "synchronous_commit", "full_page_writes")) {
                check(server.ask("show $setting") == "on") {
                    "$setting is ${server.ask("show $setting")}: figures count only with durable commits"
                }
            }
            return server
        }

        fun dataSource(url: String): DataSource = PGSimpleDataSource().also { it.setURL(url) }

        private fun embedded(withStatements: Boolean): Server {
            val builder = EmbeddedPostgres.builder()
            // The library of the embedded server turns both off for the sake of tests.
            builder.setServerConfig("fsync", "on").setServerConfig("synchronous_commit", "on")
            builder.setServerConfig("shared_buffers", "512MB").setServerConfig("max_wal_size", "4GB")
            if (withStatements) {
                builder.setServerConfig("shared_preload_libraries", "pg_stat_statements")
                builder.setServerConfig("pg_stat_statements.track_planning", "on")
            }
            val postgres = builder.start()
            val server =
                Server(postgres.getJdbcUrl("postgres", "postgres"), withStatements, isOwn = true, postgres::close)
            if (withStatements) server.execute("create extension if not exists pg_stat_statements")
            return server
        }

        /** Partitions are vacuumed with the table that they are of. */
        private const val OWN_TABLES = """
            select string_agg(format('%I.%I', '$SCHEMA', relname), ', ')
            from pg_class
            where relnamespace = '$SCHEMA'::regnamespace and relkind in ('r', 'p') and not relispartition
        """

        private const val STATEMENTS = """
            select string_agg(format('    %9s ms: %8s calls, each %7s ms and %7s ms of planning, %6s rows, %7s B of WAL, ' ||
                       '%6s pages  %s',
                       round(total_exec_time + total_plan_time), calls, round(mean_exec_time::numeric, 3),
                       round((total_plan_time / calls)::numeric, 3), rows / calls, round(wal_bytes / calls),
                       (shared_blks_hit + shared_blks_read) / calls, left(regexp_replace(query, '\s+', ' ', 'g'), 70)),
                   e'\n' order by total_exec_time + total_plan_time desc)
            from (select * from pg_stat_statements order by total_exec_time + total_plan_time desc limit 14) as top
        """
    }
}
