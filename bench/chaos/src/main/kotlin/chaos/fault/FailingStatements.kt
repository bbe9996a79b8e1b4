package chaos.fault

import java.sql.SQLException

/**
 * Triggers on the library's tables that let statements of the run's role fail. They are there from [prepare] on and do
 * nothing: a failure is put into their function, which takes no lock, and is over as soon as it is taken out again.
 */
internal class FailingStatements(private val site: Site) {
    /** SQLSTATEs, or `terminate` for the end of the backend, one of which a statement meets with [probability]. */
    class Failure(val states: List<String>, val probability: Double)

    private val active = mutableListOf<Failure>()
    private val server = site.server

    fun prepare() {
        server.execute("create schema if not exists chaos")
        publish()
        tables().forEach { table ->
            persistently {
                server.execute(
                    "create or replace trigger chaos_fail before insert or update or delete on $table " +
                        "for each statement execute function chaos.fail()",
                )
            }
        }
    }

    /** What the server could not be told of must not begin later, when nobody knows of it. */
    @Synchronized
    fun begin(failure: Failure) {
        active += failure
        try {
            publish()
        } catch (e: SQLException) {
            active -= failure
            throw e
        }
    }

    @Synchronized
    fun end(failure: Failure) {
        active -= failure
        publish()
    }

    /** How often a statement has failed since the log was as long as [start]. */
    fun strikes(start: Long, failure: Failure): Int = failure.states.sumOf { server.log.count(start, "$MESSAGE $it") }

    @Synchronized
    fun heal() {
        active.clear()
        persistently { tables().forEach { server.execute("drop trigger if exists chaos_fail on $it") } }
    }

    private fun tables(): List<String?> = server.askAll(
        "select oid::regclass::text from pg_class where relnamespace = '${site.schema}'::regnamespace " +
            "and relkind in ('r', 'p') and not relispartition order by relname",
    )

    private fun publish() {
        val blocks = active.joinToString("\n") { failure ->
            """
            if random() < ${failure.probability} then
                states := '{${failure.states.joinToString(",")}}';
                state := states[1 + floor(random() * array_length(states, 1))::int];
                if state = 'terminate' then
                    raise log '$MESSAGE terminate';
                    perform pg_terminate_backend(pg_backend_pid());
                    perform pg_sleep(1);
                end if;
                raise exception using errcode = state, message = '$MESSAGE ' || state;
            end if;
            """
        }
        val body = "declare states text[]; state text; begin if session_user = '${site.role}' then $blocks " +
            "null; end if; return null; end"
        persistently {
            server.execute(
                "create or replace function chaos.fail() returns trigger language plpgsql security definer as \$\$ $body \$\$",
            )
        }
    }

    private companion object {
        const val MESSAGE = "chaos: struck"
    }
}
